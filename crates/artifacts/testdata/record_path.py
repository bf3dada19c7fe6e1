"""Records which artifact paths MLflow 3.7.0 takes and what they become, into path.json.

Run from this directory: python record_path.py   (needs mlflow==3.7.0)
"""

import json
import os
import pathlib

import mlflow.server.handlers  # imports everything that changes urllib.parse's tables
from mlflow.exceptions import MlflowException
from mlflow.utils.uri import validate_path_is_safe

PATHS = [
    "", ".", "./", "a", "a/", "a/b", "a//b", "./a/./b//", "a.b", "..a", "a..", "...", "a..b/c", "a b", " a", "a ", "ä/ö", "a+b", "a&b=c", "~/a",
    "..", "../a", "a/..", "a/../b", "a/b/../../..", "/", "/a", "//a", "///a", "/etc/passwd", "./../a",
    "%2e%2e/a", "%2E%2E%2Fa", "..%2fa", "..%252fa", "%252e%252e%252fa", "%25252e%25252e/a", "a%2f..%2f..%2fb", "%2fa", "%252fa", "a%2fb", "a%252fb",
    "%" + "25" * 5 + "2e%2e/a", "%" + "25" * 9 + "41", "%" + "25" * 12 + "41", "%c0%ae%c0%ae/a", "\uff0e\uff0e/a",
    "a\\b", "a\\..\\b", "..\\a", "a\\..", "\\a", "\\\\server\\share\\a", "//server/share/a", "C:\\a", "C:/a", "c:/a", "C:a", "C:", "c%3a/a", "C%3A%5ca", "1:/a",
    "a%5c..%5cb", "a%255c%252e%252e%255cb", "..%5c..%5cetc%5cpasswd", "%5ca", "..\\..\\a", "%5c%5cserver%5cshare%5ca",
    "a#b", "#", "a%23b", "a%2523b", "#/../../etc", "a?b", "a?", "?", "a?../b", "a%3fb", "a?b/../../c", "a;b", "a;", "a;../b", ";/../a", "a;b/c", "a/;b",
    "\x00", "a\x00b", "a%00b", "a%2500b", "a%00/../b", "file:a%00b", "file:a%2500b", "a\tb", "a\nb", "a\r\nb", "\ta", "a%09b", "a%0ab", "a\x01b", "a%01b", "a\x7fb", "%0d%0a",
    ".%09./a", ".\t./a", ".%0a./a", "%2e\n%2e/a",
    "file:a", "file:/a", "file:///a", "file://a", "file://a/b", "file:../a", "file:a/../b", "file:", "FILE:a", "FILE:../a", "file%3a///etc/passwd", "%66ile:/etc/passwd",
    "file::a", "file:file:a", "file:./a", "file://localhost/a", "file:%2e%2e/a", "file:C:/a", "file:\\a",
    "http:a", "http://a", "http:/a", "http://h/../a", "s3://b/a", "s3:a", "mlflow-artifacts:/a", "x:y", "X:y", "Foo:Bar", "a:b", "ab:/c", "runs:/a",
    "http://[::1]/a", "http://[a", "[a", "a[b]", "[", "//[a", "%5b%5b", "a%", "100%", "a%zz", "a%4", "%%", "%25", "%2525", "a%20b", "a%2520b", "a+b%2Bc",
    ".ferroflow-upload-1", "a/.ferroflow-upload-1/b", "a/b.ferroflow-upload-1", ".hidden", "a" * 300, "a/" * 200,
]


def take(path):
    try:
        safe = validate_path_is_safe(path)
    except (MlflowException, ValueError):
        return None
    normal = os.path.normpath(safe) if safe else "."
    return "" if normal == "." else normal


out = pathlib.Path(__file__).with_name("path.json")
out.write_text(json.dumps({p: take(p) for p in PATHS}, indent=0, ensure_ascii=True, sort_keys=True) + "\n")
