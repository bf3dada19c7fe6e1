//! Options of `mlflow server` that one process has no use for, and those that come later.

use clap::Args;

#[derive(Args)]
#[command(next_help_heading = "For scripts written for mlflow server")]
pub struct OtherOptions {
    /// Accepted without effect: one process uses every core.
    #[arg(long, short = 'w', env = "MLFLOW_WORKERS", value_name = "N")]
    workers: Option<String>,

    /// Accepted without effect.
    #[arg(long, env = "MLFLOW_GUNICORN_OPTS", value_name = "OPTS", allow_hyphen_values = true)]
    gunicorn_opts: Option<String>,

    /// Accepted without effect.
    #[arg(long, value_name = "OPTS", allow_hyphen_values = true)]
    waitress_opts: Option<String>,

    /// Accepted without effect.
    #[arg(long, env = "MLFLOW_UVICORN_OPTS", value_name = "OPTS", allow_hyphen_values = true)]
    uvicorn_opts: Option<String>,

    /// Accepted without effect: metrics come with a later version.
    #[arg(long, env = "MLFLOW_EXPOSE_PROMETHEUS", value_name = "FOLDER")]
    expose_prometheus: Option<String>,

    /// Comes with a later version.
    #[arg(long, value_name = "NAME")]
    app_name: Option<String>,
}

impl OtherOptions {
    /// Refuses what must not be ignored, and what `mlflow server` refuses too.
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self, dev: bool) -> Result<(), String> {
        if let Some(name) = &self.app_name {
            return Err(format!(
                "--app-name {name}: users and permissions come with a later version, and without them everyone could do \
                 everything; leave the option out if that is right"
            ));
        }
        let opts = [&self.gunicorn_opts, &self.waitress_opts, &self.uvicorn_opts];
        if opts.iter().filter(|given| given.is_some()).count() > 1 {
            return Err("Cannot specify multiple server options. Choose one of: '--gunicorn-opts', \
                        '--waitress-opts', or '--uvicorn-opts'."
                .into());
        }
        for (name, given) in
            [("--gunicorn-opts", &self.gunicorn_opts), ("--uvicorn-opts", &self.uvicorn_opts)]
        {
            if dev && given.is_some() {
                return Err(format!("'--dev' and '{name}' cannot be specified together."));
            }
        }
        Ok(())
    }

    /// What to tell the user about options that were given and do nothing.
    pub fn without_effect(&self) -> Option<String> {
        let of_processes: Vec<_> = [
            ("--workers", &self.workers),
            ("--gunicorn-opts", &self.gunicorn_opts),
            ("--waitress-opts", &self.waitress_opts),
            ("--uvicorn-opts", &self.uvicorn_opts),
        ]
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|_| *name))
        .collect();
        let mut said = Vec::new();
        if !of_processes.is_empty() {
            said.push(format!("{}; one process uses every core", of_processes.join(", ")));
        }
        if self.expose_prometheus.is_some() {
            said.push("--expose-prometheus; there is no /metrics yet, so let nothing scrape it".to_owned());
        }
        (!said.is_empty()).then(|| format!("no effect here: {}", said.join("; ")))
    }
}
