//! Artifact locations as URIs.

/// Appends path segments to a URI.
pub fn append_to_uri_path(uri: &str, segments: &[&str]) -> String {
    let mut out = uri.to_owned();
    for s in segments {
        if !out.ends_with('/') {
            out.push('/');
        }
        out.push_str(s);
    }
    out
}
