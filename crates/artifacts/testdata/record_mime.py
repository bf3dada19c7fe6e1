"""Records the content types MLflow 3.7.0 gives to file names on Python 3.11, into mime.json.

Run from this directory: python record_mime.py   (needs mlflow==3.7.0)
"""

import json
import mimetypes
import pathlib

from mlflow.utils.mime_type_utils import _guess_mime_type, get_text_extensions

# The built-in table, not the machine's.
mimetypes.knownfiles = []
mimetypes._db = None
mimetypes.init()

extensions = sorted(
    {e[1:] for e in mimetypes.types_map}
    | {e[1:] for e in mimetypes.suffix_map}
    | {e[1:] for e in mimetypes.encodings_map}
    | set(get_text_extensions())
    | {"pkl", "parquet", "onnx", "pt", "ipynb", "woff", "woff2", "ttf", "map", "unknown", ""}
)
names = [f"model.{e}" for e in extensions]
names += [f"MODEL.{e.upper()}" for e in extensions]
names += [f"{e}" for e in extensions if e]
names += [f".{e}" for e in extensions]
names += [f"a.{e}.gz" for e in extensions]
names += [
    "MLmodel", "mlmodel", "MLproject", "mlproject", "MLmodel.txt", "x.MLmodel", "a.tar.gz.gz", "a.csv.Z", "a.csv.z", "a.tgz.gz",
    "a.TGZ", "a.html.br", "a.", "a..", "..a", "...txt", "a.b.c", "data:x", "data:x,y", "data:x;base64,y", "DATA:,a.png", "http:a.png", "a.png:b",
    ":a.png", "a:b:c.png", "naïve.png", "ﬁle.PNG", "a b.html", "a.png ", "x.İ", "conda.yaml", "python_env.yaml", "model.pkl",
    "requirements.txt", "table.json", "image%20.png", "a.html#b", "a.html?b", "a.svgz", "a.Svgz.gz",
]
out = pathlib.Path(__file__).with_name("mime.json")
out.write_text(json.dumps({n: _guess_mime_type(n) for n in names if n}, indent=0, ensure_ascii=True, sort_keys=True) + "\n")
