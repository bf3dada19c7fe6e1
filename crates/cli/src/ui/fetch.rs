//! Fetches the wheel from a Python package index, by the simple API: JSON (PEP 691) where the index has it, else HTML (PEP 503).

use super::WHEEL;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Response, Url};
use serde::Deserialize;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(10);
/// How long an index may send nothing.
const IDLE: Duration = Duration::from_secs(60);
/// What PyPI lists of mlflow is 150 kB, the wheel 9 MB. Nothing is kept of what is far beyond.
const LARGEST_LIST: u64 = 32 << 20;
const LARGEST_WHEEL: u64 = 64 << 20;

/// A wheel as it came; nobody has looked at it yet.
pub struct Fetched {
    pub bytes: Vec<u8>,
    /// Where the file came from, which may be another host than the index's.
    pub host: String,
}

#[derive(Deserialize)]
struct Listed {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    url: String,
}

/// Gets the wheel; `tell` hears how many bytes there are, and of how many.
///
/// # Errors
/// A sentence, in which no address has its user and password.
pub async fn wheel(page: &Url, tell: &mut impl FnMut(u64, Option<u64>)) -> Result<Fetched, String> {
    let client = client()?;
    let accept =
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
    let answer = answer(client.get(page.clone()).header(ACCEPT, accept), page).await?;
    let is_json =
        answer.headers().get(CONTENT_TYPE).and_then(|t| t.to_str().ok()).is_some_and(|t| t.contains("json"));
    // Links are relative to where redirects ended.
    let base = answer.url().clone();
    let list = body(answer, LARGEST_LIST, &mut |_, _| ()).await?;
    let link = if is_json { link_in_json(&list) } else { link_in_html(&String::from_utf8_lossy(&list)) };
    let link =
        link.ok_or_else(|| format!("{} has no {WHEEL}; name another --index, or --wheel", shown(page)))?;
    let file =
        base.join(&link).map_err(|e| format!("{} names no usable address for {WHEEL}: {e}", shown(page)))?;
    let answer = self::answer(client.get(file.clone()), &file).await?;
    let bytes = body(answer, LARGEST_WHEEL, tell).await?;
    Ok(Fetched { bytes, host: file.host_str().unwrap_or_default().to_owned() })
}

/// The page of mlflow's files in an index.
///
/// # Errors
/// A sentence about what is no address.
pub fn page(index: &str) -> Result<Url, String> {
    let text = format!("{}/mlflow/", index.trim_end_matches('/'));
    match Url::parse(&text) {
        Ok(page) if matches!(page.scheme(), "https" | "http") => Ok(page),
        _ => Err("write an address such as https://pypi.org/simple".into()),
    }
}

fn client() -> Result<Client, String> {
    let tls = artifacts::system_tls().map_err(|e| e.to_string())?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT)
        .read_timeout(IDLE)
        .user_agent(concat!("ferroflow/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| format!("no HTTP client could be made: {e}"))
}

async fn answer(request: reqwest::RequestBuilder, url: &Url) -> Result<Response, String> {
    let answer = request.send().await.map_err(|e| format!("cannot reach {}: {}", shown(url), reason(e)))?;
    match answer.status() {
        status if status.is_success() => Ok(answer),
        status => Err(format!("{} answers {status}; name another --index, or --wheel", shown(url))),
    }
}

async fn body(
    mut answer: Response,
    limit: u64,
    tell: &mut impl FnMut(u64, Option<u64>),
) -> Result<Vec<u8>, String> {
    let (url, size) = (answer.url().clone(), answer.content_length());
    let mut bytes = Vec::new();
    while let Some(chunk) =
        answer.chunk().await.map_err(|e| format!("{} broke off: {}", shown(&url), reason(e)))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > limit {
            return Err(format!(
                "{} sends more than {} MB, which is not what was asked for",
                shown(&url),
                limit >> 20
            ));
        }
        tell(bytes.len() as u64, size);
    }
    Ok(bytes)
}

fn link_in_json(list: &[u8]) -> Option<String> {
    let listed: Listed = serde_json::from_slice(list).ok()?;
    listed.files.into_iter().find(|file| file.filename == WHEEL).map(|file| file.url)
}

/// The first link whose last segment is the wheel. What the page says besides does not matter: the file is checked.
fn link_in_html(list: &str) -> Option<String> {
    list.split("href=").skip(1).find_map(|rest| {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let link = rest[1..].split(quote).next()?.replace("&amp;", "&");
        let path = link.split(['#', '?']).next()?;
        (path.rsplit('/').next() == Some(WHEEL)).then_some(link)
    })
}

/// An address without what may be secret in it.
pub fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

/// The innermost reason, which is the one that helps, without the address.
pub fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_json() {
        let list = format!(
            r#"{{"meta": {{}}, "files": [{{"filename": "mlflow-3.7.0.tar.gz", "url": "x", "hashes": {{}}}},
                {{"filename": "{WHEEL}", "url": "https://files.example/{WHEEL}"}}]}}"#
        );
        assert_eq!(link_in_json(list.as_bytes()), Some(format!("https://files.example/{WHEEL}")));
        assert_eq!(link_in_json(b"{\"files\": []}"), None);
        assert_eq!(link_in_json(b"<html>"), None);
    }

    #[test]
    fn links_are_found_in_html() {
        let list = format!(
            "<a href=\"../../mlflow-3.6.0-py3-none-any.whl#sha256=1\">old</a>\n\
             <a data-requires-python='&gt;=3.10' href='../../packages/9a/{WHEEL}?a=1&amp;b=2#sha256=0'>{WHEEL}</a>"
        );
        assert_eq!(link_in_html(&list), Some(format!("../../packages/9a/{WHEEL}?a=1&b=2#sha256=0")));
        assert_eq!(link_in_html("<a href=x>y</a> href="), None);
    }

    #[test]
    fn addresses_are_shown_without_secrets() {
        let url = page("https://user:geheim@packages.example:8443/simple/").unwrap();
        assert_eq!(shown(&url), "https://packages.example:8443/simple/mlflow/");
        for wrong in ["", "packages.example", "file:///simple", "ftp://x"] {
            assert!(page(wrong).is_err(), "{wrong}");
        }
    }
}
