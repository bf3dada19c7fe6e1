//! The web page at `/`: a build of MLflow's UI where the operator has one, else a page about this server.

use artifacts::{ArtifactPath, Error, Store, mime};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::app::App;
use crate::download;
use crate::handlers::health::MLFLOW_VERSION;
use crate::respond::Failure;
use crate::security::Security;

/// `GET /`: the UI's `index.html`. Its pages have their addresses after a `#`, so this is the page of all of them.
pub async fn index(State(app): State<App>, asked: HeaderMap) -> Result<Response, Failure> {
    if let Some(build) = &app.settings().ui {
        let page = ArtifactPath::parse("index.html")?;
        match build.get(&page, None).await {
            Err(Error::NotFound(_)) => {
                tracing::warn!(ui_dir = %build, "there is no index.html in the directory of the UI");
            }
            _ => {
                let mut response = send(build, &page, &asked).await?;
                response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy(&app, OF_THE_UI));
                return Ok(response);
            }
        }
    }
    Ok(landing_page(&app).into_response())
}

/// `GET /static-files/<path>`, and `GET /build/<path>`: what the UI's page is made of.
pub async fn static_file(
    State(app): State<App>,
    path: Option<Path<String>>,
    asked: HeaderMap,
) -> Result<Response, Failure> {
    let Path(path) = path.ok_or(Error::InvalidPath)?;
    let path = ArtifactPath::parse(&path)?;
    let build = app.settings().ui.as_ref().ok_or_else(|| Error::NotFound(path.clone()))?;
    send(build, &path, &asked).await
}

/// What the UI's page may not do. It says nothing of scripts: the plots make code from texts, and a page among the artifacts,
/// which the UI shows in a frame without an origin, is under this policy too and brings scripts of its own.
const OF_THE_UI: &str = "base-uri 'none'; form-action 'self'; object-src 'none'";
/// The page of a server without a UI loads nothing, so nothing may be loaded.
const OF_THE_LANDING_PAGE: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A Content-Security-Policy, with the operator's word on frames.
fn policy(app: &App, page: &'static str) -> HeaderValue {
    let ancestors = app.settings().security.as_ref().and_then(Security::frame_ancestors);
    let whole = ancestors.map(|ancestors| format!("{page}; frame-ancestors {ancestors}"));
    let whole = whole.and_then(|whole| HeaderValue::try_from(whole).ok());
    whole.unwrap_or_else(|| HeaderValue::from_static(page))
}

/// Answers with a file of the build, compressed if there is such a file beside it and the browser takes that.
async fn send(build: &Store, path: &ArtifactPath, asked: &HeaderMap) -> Result<Response, Failure> {
    let about = about(path);
    if takes_gzip(asked) {
        let mut about = about.clone();
        about.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let compressed = ArtifactPath::parse(&format!("{path}.gz"))?;
        match build.get(&compressed, None).await {
            Err(Error::NotFound(_)) => {}
            _ => return download::send(build, &compressed, asked, about).await,
        }
    }
    download::send(build, path, asked, about).await
}

/// Whether `Accept-Encoding` allows gzip. Without that header a client may not know what to do with it.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let weight = |wanted: &[&str]| {
        let lists = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
        lists.flat_map(|list| list.split(',')).find_map(|item| {
            let (coding, rest) = item.split_once(';').unwrap_or((item, ""));
            let is_wanted = wanted.iter().any(|name| coding.trim().eq_ignore_ascii_case(name));
            let weight = rest.trim().strip_prefix("q=").and_then(|q| q.trim().parse().ok()).unwrap_or(1.0);
            is_wanted.then_some(weight)
        })
    };
    weight(&["gzip", "x-gzip"]).or_else(|| weight(&["*"])).is_some_and(|weight: f32| weight > 0.0)
}

/// `GET <static prefix>` without its slash, from where the page's relative links would lead astray.
pub async fn add_slash(State(app): State<App>) -> Redirect {
    Redirect::permanent(&format!("{}/", app.settings().static_prefix))
}

fn about(path: &ArtifactPath) -> HeaderMap {
    // What changes under its name is asked for again each time, which costs a 304.
    let caching = if is_hashed(path.name()) { "public, max-age=31536000, immutable" } else { "no-cache" };
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type(path.name()))),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (header::VARY, HeaderValue::from_static("Accept-Encoding")),
    ])
}

/// Whether the name changes with the content: one of its parts is a hash, as in `main.7ffba301.js`.
fn is_hashed(name: &str) -> bool {
    let is_hash =
        |part: &str| part.len() >= 8 && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    name.split('.').skip(1).any(is_hash)
}

fn content_type(name: &str) -> &'static str {
    if name.ends_with(".gz") {
        return "application/gzip";
    }
    match mime::guess(name) {
        Some("text/html") => "text/html; charset=utf-8",
        Some("text/css") => "text/css; charset=utf-8",
        Some("application/javascript") => "application/javascript; charset=utf-8",
        Some("text/plain") => "text/plain; charset=utf-8",
        Some(other) => other,
        // Python 3.11 does not know these.
        None => match name.rsplit('.').next() {
            Some("woff") => "font/woff",
            Some("woff2") => "font/woff2",
            Some("ttf") => "font/ttf",
            Some("eot") => "application/vnd.ms-fontobject",
            Some("map") => "application/json",
            _ => mime::BINARY,
        },
    }
}

/// The page of a server without a UI.
fn landing_page(app: &App) -> impl IntoResponse {
    let settings = app.settings();
    let artifacts = match &settings.destination {
        Some(store) => format!("served from <code>{}</code>", escape(&store.to_string())),
        None => "not served here (<code>--no-serve-artifacts</code>)".to_owned(),
    };
    let facts = [
        ("Ferroflow", env!("CARGO_PKG_VERSION").to_owned()),
        ("MLflow API", MLFLOW_VERSION.to_owned()),
        ("Database schema", format!("<code>{}</code>", store::schema::HEAD)),
        ("Artifacts", artifacts),
        ("New experiments", format!("in <code>{}</code>", escape(&settings.artifact_root))),
    ];
    let facts: String = facts.iter().map(|(name, fact)| format!("<dt>{name}<dd>{fact}")).collect();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, policy(app, OF_THE_LANDING_PAGE)),
    ];
    (headers, PAGE.replace("{{facts}}", &facts).replace("{{prefix}}", &escape(&settings.static_prefix)))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const PAGE: &str = include_str!("landing.html");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_build_have_their_types() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("main.0a1b.js", "application/javascript; charset=utf-8"),
            ("pdf.worker.mjs", "application/javascript; charset=utf-8"),
            ("main.css", "text/css; charset=utf-8"),
            ("main.js.map", "application/json"),
            ("main.js.gz", "application/gzip"),
            ("manifest.json", "application/json"),
            ("font.woff2", "font/woff2"),
            ("logo.svg", "image/svg+xml"),
            ("LICENSE", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }

    #[test]
    fn hashed_names_are_known() {
        for name in ["main.7ffba301.js", "1575.b2bbe01d.chunk.js", "x.3e7b9debf12f01f00ace85a933d4d156.svg"] {
            assert!(is_hashed(name), "{name}");
        }
        for name in
            ["index.html", "7ffba301.js", "asset-manifest.json", "main.7ffba30.js", "a.7ffba30g.js", ""]
        {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (lists, expected) in [
            (&[] as &[&str], false),
            (&[""], false),
            (&["gzip, deflate, br, zstd"], true),
            (&["br", "GZIP ; q=0.5"], true),
            (&["x-gzip"], true),
            (&["*"], true),
            (&["*;q=0"], false),
            (&["gzip;q=0, *"], false),
            (&["gzip;q=0.0"], false),
            (&["gzip;q=1.000, *;q=0"], true),
            (&["identity, br;q=1"], false),
            (&["gzipped"], false),
        ] {
            let asked = lists.iter().map(|list| (header::ACCEPT_ENCODING, list.parse().unwrap())).collect();
            assert_eq!(takes_gzip(&asked), expected, "{lists:?}");
        }
    }

    #[test]
    fn the_page_loads_nothing() {
        assert!(
            !PAGE.contains("src=")
                && !PAGE.contains("<script")
                && !PAGE.contains("@import")
                && !PAGE.contains("url(")
        );
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
