//! Content types from file names, as MLflow 3.7's `_guess_mime_type` finds them.
//!
//! MLflow asks Python's `mimetypes`, which also reads `/etc/mime.types` where there is one; here only the built-in
//! table of Python 3.11 counts, so that the answer does not depend on the machine.

/// The type `_guess_mime_type` gives to what has no known extension.
pub const BINARY: &str = "application/octet-stream";

/// The `Content-Type` of an artifact named `name` (the last segment of its path).
pub fn of_artifact(name: &str) -> &'static str {
    let (_, extension) = split_extension(name);
    let extension = extension.replace('.', "");
    // `MLmodel` and `MLproject` files have no extension: their whole name is looked up.
    let extension = if extension.is_empty() { name } else { &extension };
    if TEXT_EXTENSIONS.contains(&extension) {
        return "text/plain";
    }
    guess(name).unwrap_or(BINARY)
}

/// `mimetypes.guess_type(name)[0]`: the type by extension, looking through compression suffixes.
pub fn guess(name: &str) -> Option<&'static str> {
    // Python takes its argument for a URL and drops what looks like a scheme.
    let name = match name.split_once(':') {
        Some((scheme, data)) if scheme.eq_ignore_ascii_case("data") => {
            return data.contains(',').then_some("text/plain");
        }
        Some((scheme, rest)) if !scheme.is_empty() && !scheme.contains('/') => rest,
        _ => name,
    };
    let (base, mut extension) = split_extension(name);
    let shorthand = extension.to_lowercase();
    if let Some((_, long)) = SHORTHANDS.iter().find(|(short, _)| *short == shorthand) {
        // The long form of every shorthand is a type's extension and a compression's.
        extension = long;
    } else if COMPRESSIONS.contains(&extension) {
        extension = split_extension(base).1;
    }
    let extension = extension.strip_prefix('.')?.to_lowercase();
    let at = TYPES.binary_search_by_key(&extension.as_str(), |(extension, _)| extension).ok()?;
    Some(TYPES[at].1)
}

/// `os.path.splitext`: the extension has its dot, and dots that lead the name start none.
fn split_extension(name: &str) -> (&str, &str) {
    let last_segment = name.rfind('/').map_or(0, |slash| slash + 1);
    let stem = name[last_segment..].trim_start_matches('.');
    match stem.rfind('.') {
        Some(dot) => name.split_at(name.len() - stem.len() + dot),
        None => (name, ""),
    }
}

/// `get_text_extensions()`: shown as text whatever Python thinks of them. Compared with their case.
const TEXT_EXTENSIONS: &[&str] = &[
    "txt",
    "log",
    "err",
    "cfg",
    "conf",
    "cnf",
    "cf",
    "ini",
    "properties",
    "prop",
    "hocon",
    "toml",
    "yaml",
    "yml",
    "xml",
    "json",
    "js",
    "py",
    "py3",
    "csv",
    "tsv",
    "md",
    "rst",
    "MLmodel",
    "mlproject",
];

/// `mimetypes.suffix_map`, reduced to the type's extension: the compression after it does not change the answer.
const SHORTHANDS: &[(&str, &str)] = &[
    (".svgz", ".svg"),
    (".tgz", ".tar"),
    (".taz", ".tar"),
    (".tz", ".tar"),
    (".tbz2", ".tar"),
    (".txz", ".tar"),
];

/// `mimetypes.encodings_map`. Compared with their case.
const COMPRESSIONS: &[&str] = &[".gz", ".Z", ".bz2", ".xz", ".br"];

/// `mimetypes.types_map` of Python 3.11, sorted for the binary search.
#[rustfmt::skip]
const TYPES: &[(&str, &str)] = &[
    ("3g2", "audio/3gpp2"),
    ("3gp", "audio/3gpp"),
    ("3gpp", "audio/3gpp"),
    ("3gpp2", "audio/3gpp2"),
    ("a", "application/octet-stream"),
    ("aac", "audio/aac"),
    ("adts", "audio/aac"),
    ("ai", "application/postscript"),
    ("aif", "audio/x-aiff"),
    ("aifc", "audio/x-aiff"),
    ("aiff", "audio/x-aiff"),
    ("ass", "audio/aac"),
    ("au", "audio/basic"),
    ("avi", "video/x-msvideo"),
    ("avif", "image/avif"),
    ("bat", "text/plain"),
    ("bcpio", "application/x-bcpio"),
    ("bin", "application/octet-stream"),
    ("bmp", "image/bmp"),
    ("c", "text/plain"),
    ("cdf", "application/x-netcdf"),
    ("cpio", "application/x-cpio"),
    ("csh", "application/x-csh"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("dll", "application/octet-stream"),
    ("doc", "application/msword"),
    ("dot", "application/msword"),
    ("dvi", "application/x-dvi"),
    ("eml", "message/rfc822"),
    ("eps", "application/postscript"),
    ("etx", "text/x-setext"),
    ("exe", "application/octet-stream"),
    ("gif", "image/gif"),
    ("gtar", "application/x-gtar"),
    ("h", "text/plain"),
    ("h5", "application/x-hdf5"),
    ("hdf", "application/x-hdf"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ief", "image/ief"),
    ("jpe", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "application/javascript"),
    ("json", "application/json"),
    ("ksh", "text/plain"),
    ("latex", "application/x-latex"),
    ("loas", "audio/aac"),
    ("m1v", "video/mpeg"),
    ("m3u", "application/vnd.apple.mpegurl"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("man", "application/x-troff-man"),
    ("me", "application/x-troff-me"),
    ("mht", "message/rfc822"),
    ("mhtml", "message/rfc822"),
    ("mif", "application/x-mif"),
    ("mjs", "application/javascript"),
    ("mov", "video/quicktime"),
    ("movie", "video/x-sgi-movie"),
    ("mp2", "audio/mpeg"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpa", "video/mpeg"),
    ("mpe", "video/mpeg"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("ms", "application/x-troff-ms"),
    ("n3", "text/n3"),
    ("nc", "application/x-netcdf"),
    ("nq", "application/n-quads"),
    ("nt", "application/n-triples"),
    ("nws", "message/rfc822"),
    ("o", "application/octet-stream"),
    ("obj", "application/octet-stream"),
    ("oda", "application/oda"),
    ("opus", "audio/opus"),
    ("p12", "application/x-pkcs12"),
    ("p7c", "application/pkcs7-mime"),
    ("pbm", "image/x-portable-bitmap"),
    ("pdf", "application/pdf"),
    ("pfx", "application/x-pkcs12"),
    ("pgm", "image/x-portable-graymap"),
    ("pl", "text/plain"),
    ("png", "image/png"),
    ("pnm", "image/x-portable-anymap"),
    ("pot", "application/vnd.ms-powerpoint"),
    ("ppa", "application/vnd.ms-powerpoint"),
    ("ppm", "image/x-portable-pixmap"),
    ("pps", "application/vnd.ms-powerpoint"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("ps", "application/postscript"),
    ("pwz", "application/vnd.ms-powerpoint"),
    ("py", "text/x-python"),
    ("pyc", "application/x-python-code"),
    ("pyo", "application/x-python-code"),
    ("qt", "video/quicktime"),
    ("ra", "audio/x-pn-realaudio"),
    ("ram", "application/x-pn-realaudio"),
    ("ras", "image/x-cmu-raster"),
    ("rdf", "application/xml"),
    ("rgb", "image/x-rgb"),
    ("roff", "application/x-troff"),
    ("rtx", "text/richtext"),
    ("sgm", "text/x-sgml"),
    ("sgml", "text/x-sgml"),
    ("sh", "application/x-sh"),
    ("shar", "application/x-shar"),
    ("snd", "audio/basic"),
    ("so", "application/octet-stream"),
    ("src", "application/x-wais-source"),
    ("srt", "text/plain"),
    ("sv4cpio", "application/x-sv4cpio"),
    ("sv4crc", "application/x-sv4crc"),
    ("svg", "image/svg+xml"),
    ("swf", "application/x-shockwave-flash"),
    ("t", "application/x-troff"),
    ("tar", "application/x-tar"),
    ("tcl", "application/x-tcl"),
    ("tex", "application/x-tex"),
    ("texi", "application/x-texinfo"),
    ("texinfo", "application/x-texinfo"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("tr", "application/x-troff"),
    ("trig", "application/trig"),
    ("tsv", "text/tab-separated-values"),
    ("txt", "text/plain"),
    ("ustar", "application/x-ustar"),
    ("vcf", "text/x-vcard"),
    ("vtt", "text/vtt"),
    ("wasm", "application/wasm"),
    ("wav", "audio/x-wav"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("wiz", "application/msword"),
    ("wsdl", "application/xml"),
    ("xbm", "image/x-xbitmap"),
    ("xlb", "application/vnd.ms-excel"),
    ("xls", "application/vnd.ms-excel"),
    ("xml", "text/xml"),
    ("xpdl", "application/xml"),
    ("xpm", "image/x-xpixmap"),
    ("xsl", "application/xml"),
    ("xwd", "image/x-xwindowdump"),
    ("zip", "application/zip"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Recorded from MLflow 3.7.0 on Python 3.11 by `testdata/record_mime.py`.
    const RECORDED: &str = include_str!("../testdata/mime.json");

    #[test]
    fn finds_the_types_mlflow_finds() {
        let recorded: BTreeMap<String, String> = serde_json::from_str(RECORDED).unwrap();
        assert!(recorded.len() > 300, "the corpus is gone");
        for (name, expected) in &recorded {
            assert_eq!(of_artifact(name), expected, "{name:?}");
        }
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(TYPES.is_sorted_by_key(|(extension, _)| extension));
    }
}
