//! What answers behind the address: its probes, its API, and whom it listens to.

use super::super::report::{Finding, Verdict};
use super::QUESTION;
use super::edge::trouble;
use super::site::{Answer, Site};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, ORIGIN};
use serde_json::{Value, json};
use server::handlers::health::MLFLOW_VERSION;

/// A page that nobody has.
const FOREIGN: &str = "https://ferroflow-doctor.invalid";

/// Whether the server's check of the Host header refused the request.
pub fn refuses_host(answer: &Answer) -> bool {
    answer.status == 403 && answer.text().contains("Invalid Host header")
}

/// Whether the server answers to this name.
pub fn hosts(site: &Site, answer: &Answer) -> Finding {
    match refuses_host(answer) {
        false => Finding::ok("hosts", format!("the server answers to {}", site.host())),
        true => Finding::new(
            "hosts",
            Verdict::Failure,
            format!("the server does not answer to {}: its check of the Host header refuses it", site.host()),
            format!("Add {} to --allowed-hosts, or to MLFLOW_SERVER_ALLOWED_HOSTS", site.host()),
        ),
    }
}

/// `/health`, `/version` and `/readyz`.
pub async fn probes(site: &Site) -> Vec<Finding> {
    let ask = |path| site.ask(site.request(Method::GET, path));
    let (health, version, ready) = tokio::join!(ask("health"), ask("version"), ask("readyz"));
    vec![of_health(health), of_version(version), of_ready(ready)]
}

fn of_health(answer: Result<Answer, String>) -> Finding {
    const CHECK: &str = "health";
    match answer {
        Ok(answer) if answer.status == 200 && answer.text().trim() == "OK" => Finding::ok(CHECK, "OK"),
        Ok(answer) => trouble(CHECK, &answer),
        Err(why) => silent(CHECK, &why),
    }
}

fn of_version(answer: Result<Answer, String>) -> Finding {
    const CHECK: &str = "version";
    match answer {
        Ok(answer) if answer.status == 200 => match answer.text().trim() {
            MLFLOW_VERSION => Finding::ok(CHECK, format!("MLflow {MLFLOW_VERSION}")),
            other => {
                let other: String = other.chars().take(40).collect();
                Finding::notice(CHECK, format!("says {other}, where Ferroflow says {MLFLOW_VERSION}"))
            }
        },
        Ok(answer) => trouble(CHECK, &answer),
        Err(why) => silent(CHECK, &why),
    }
}

fn of_ready(answer: Result<Answer, String>) -> Finding {
    const CHECK: &str = "ready";
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => return silent(CHECK, &why),
    };
    match (answer.status, answer.json()) {
        (200, Some(_)) => Finding::ok(CHECK, "database, schema and artifacts are fine"),
        (503, Some(report)) if report["ready"] == json!(false) => {
            let part = |name: &str| {
                let said = report[name].as_str().filter(|said| *said != "ok")?;
                Some(format!("{name} {}", said.chars().take(300).collect::<String>()))
            };
            let parts: Vec<_> = ["database", "schema", "artifacts"].into_iter().filter_map(part).collect();
            let advice = "Run `ferroflow doctor` without --url in the server's pod, with its environment: it says more";
            Finding::new(CHECK, Verdict::Failure, format!("not ready: {}", parts.join("; ")), advice)
        }
        (404, _) => Finding::notice(CHECK, "there is no /readyz, so this is not Ferroflow"),
        _ => trouble(CHECK, &answer),
    }
}

/// The answer to the first question.
pub fn api(answer: &Answer) -> Finding {
    match answer.json() {
        Some(json) if answer.status == 200 && json.is_object() => {
            let took = answer.asked.until.duration_since(answer.asked.from).unwrap_or_default();
            Finding::ok(
                "api",
                format!("experiments are found, in {} ms with the connection", took.as_millis()),
            )
        }
        _ => trouble("api", answer),
    }
}

/// Whether pages of anybody may read here what their visitors may. A preflight says less: MLflow's own server allows it and then
/// refuses the request.
pub async fn origins(site: &Site) -> Finding {
    const CHECK: &str = "origins";
    let request = site.request(Method::GET, QUESTION).header(ORIGIN, FOREIGN);
    let answer = match site.ask(request).await {
        Ok(answer) => answer,
        Err(why) => return silent(CHECK, &why),
    };
    match answer.header("access-control-allow-origin") {
        Some(allowed) if allowed == "*" || allowed == FOREIGN => Finding::new(
            CHECK,
            Verdict::Warning,
            "pages of every origin may read what their visitors may read here",
            "Name the origins in --cors-allowed-origins instead of *, and take enable-cors off the Ingress",
        ),
        _ => Finding::ok(CHECK, "pages of other origins are refused"),
    }
}

/// An experiment, a run in it, a param of that, and the way back.
pub async fn write(site: &Site) -> Finding {
    match round_trip(site).await {
        Ok(()) => Finding::ok(
            "api.write",
            "an experiment, a run and a param were written and read; the experiment is deleted",
        ),
        Err(finding) => finding,
    }
}

async fn round_trip(site: &Site) -> Result<(), Finding> {
    let name = format!("ferroflow-doctor-{}", uuid::Uuid::new_v4().simple());
    let made = post(site, "experiments/create", &json!({"name": name})).await?;
    let experiment = made["experiment_id"].clone();
    let done = async {
        let made = post(site, "runs/create", &json!({"experiment_id": experiment})).await?;
        let run = made["run"]["info"]["run_id"].clone();
        let param = json!({"run_id": run, "key": "test", "value": "value"});
        post(site, "runs/log-parameter", &param).await?;
        let path = format!("api/2.0/mlflow/runs/get?run_id={}", run.as_str().unwrap_or_default());
        let read = answered(site.ask(site.request(Method::GET, &path)).await)?;
        match read["run"]["data"]["params"][0]["value"] == json!("value") {
            true => Ok(()),
            false => Err(Finding::new(
                "api.write",
                Verdict::Failure,
                "the param that was written is not there when it is read",
                "Look for a cache at the proxy, and for a replica of the database that lags behind",
            )),
        }
    };
    let done = done.await;
    post(site, "experiments/delete", &json!({"experiment_id": experiment})).await?;
    done
}

async fn post(site: &Site, path: &str, message: &Value) -> Result<Value, Finding> {
    let request = site.request(Method::POST, &format!("api/2.0/mlflow/{path}"));
    let request = request.header(CONTENT_TYPE, "application/json").body(message.to_string());
    answered(site.ask(request).await)
}

fn answered(answer: Result<Answer, String>) -> Result<Value, Finding> {
    match answer {
        Ok(answer) if answer.status == 200 => Ok(answer.json().unwrap_or_default()),
        Ok(answer) => Err(trouble("api.write", &answer)),
        Err(why) => Err(silent("api.write", &why)),
    }
}

fn silent(check: &'static str, why: &str) -> Finding {
    Finding::new(
        check,
        Verdict::Failure,
        format!("no answer: {why}"),
        "Look at the logs of the proxy and the server",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::clock::Asked;
    use std::time::SystemTime;

    fn answer(status: u16, body: &str) -> Result<Answer, String> {
        let now = SystemTime::now();
        Ok(Answer {
            status,
            headers: Default::default(),
            body: body.into(),
            asked: Asked { from: now, until: now },
        })
    }

    #[test]
    fn probes_are_told_apart() {
        assert_eq!(of_health(answer(200, "OK")).verdict, Verdict::Ok);
        assert_eq!(of_health(answer(200, "<html>")).verdict, Verdict::Failure);
        assert_eq!(of_version(answer(200, "3.7.0")).verdict, Verdict::Ok);
        assert_eq!(of_version(answer(200, "3.15.1")).verdict, Verdict::Notice);
        assert_eq!(of_ready(answer(404, "")).verdict, Verdict::Notice);
        let body = r#"{"ready": false, "database": "ok", "schema": "at revision x", "artifacts": "fails"}"#;
        let found = of_ready(answer(503, body));
        assert_eq!(found.verdict, Verdict::Failure);
        assert_eq!(found.detail, "not ready: schema at revision x; artifacts fails");
        // A proxy's own words.
        assert!(of_ready(answer(503, "<html>")).advice.unwrap().contains("auth-secret"));
    }
}
