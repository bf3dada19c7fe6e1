//! The web page at `/`: a build of MLflow's UI where the operator has one, else a page about this server.

use artifacts::{ArtifactPath, Error, mime};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::app::App;
use crate::download;
use crate::handlers::health::MLFLOW_VERSION;
use crate::respond::Failure;

/// `GET /`: the UI's `index.html`. It names the other files, so it must be the newest one always.
pub async fn index(State(app): State<App>, asked: HeaderMap) -> Result<Response, Failure> {
    if let Some(build) = &app.settings().ui {
        let page = ArtifactPath::parse("index.html")?;
        match build.get(&page, None).await {
            Err(Error::NotFound(_)) => {
                tracing::warn!(ui_dir = %build, "there is no index.html in the directory of the UI");
            }
            _ => return download::send(build, &page, &asked, about(&page, "no-cache")).await,
        }
    }
    Ok(landing_page(&app).into_response())
}

/// `GET /static-files/<path>`: what the UI's page is made of. The names change with the content, so browsers need not
/// ask again for four weeks.
pub async fn static_file(
    State(app): State<App>,
    path: Option<Path<String>>,
    asked: HeaderMap,
) -> Result<Response, Failure> {
    let Path(path) = path.ok_or(Error::InvalidPath)?;
    let path = ArtifactPath::parse(&path)?;
    let build = app.settings().ui.as_ref().ok_or_else(|| Error::NotFound(path.clone()))?;
    download::send(build, &path, &asked, about(&path, "public, max-age=2419200")).await
}

/// `GET <static prefix>` without its slash, from where the page's relative links would lead astray.
pub async fn add_slash(State(app): State<App>) -> Redirect {
    Redirect::permanent(&format!("{}/", app.settings().static_prefix))
}

fn about(path: &ArtifactPath, caching: &'static str) -> HeaderMap {
    let content_type = match mime::guess(path.name()) {
        Some("text/html") => "text/html; charset=utf-8",
        Some("text/css") => "text/css; charset=utf-8",
        Some("application/javascript") => "application/javascript; charset=utf-8",
        Some("text/plain") => "text/plain; charset=utf-8",
        Some(other) => other,
        // Python 3.11 does not know these.
        None => match path.name().rsplit('.').next() {
            Some("woff") => "font/woff",
            Some("woff2") => "font/woff2",
            Some("ttf") => "font/ttf",
            Some("map") => "application/json",
            _ => mime::BINARY,
        },
    };
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
    ])
}

/// The page of a server without a UI. It loads nothing, so nothing may be loaded.
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
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
        ),
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
            ("static/js/main.0a1b.js", "application/javascript; charset=utf-8"),
            ("static/css/main.css", "text/css; charset=utf-8"),
            ("static/js/main.js.map", "application/json"),
            ("manifest.json", "application/json"),
            ("static/media/font.woff2", "font/woff2"),
            ("static/media/logo.svg", "image/svg+xml"),
            ("LICENSE", "application/octet-stream"),
        ] {
            let headers = about(&ArtifactPath::parse(name).unwrap(), "no-cache");
            assert_eq!(headers[header::CONTENT_TYPE], expected, "{name}");
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
