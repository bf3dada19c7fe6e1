"""Loaded by the official server's Python at its start: media types come from Python's own table alone.

Otherwise they come from files such as /etc/mime.types as well, and the official answers differ from machine to machine.
"""

import mimetypes

mimetypes.knownfiles = []
