//! The web UI.

use artifacts::Store;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(next_help_heading = "Web UI")]
pub struct PageOptions {
    /// A folder with a build of MLflow's web UI.
    #[arg(long, env = "FERROFLOW_UI_DIR", value_name = "FOLDER")]
    pub ui_dir: Option<PathBuf>,
}

impl PageOptions {
    /// The UI's files.
    ///
    /// # Errors
    /// A sentence when the folder has no UI.
    pub fn ui(&self) -> Result<Option<Store>, String> {
        let Some(folder) = &self.ui_dir else { return Ok(None) };
        if !folder.join("index.html").is_file() {
            let folder = folder.display();
            return Err(format!("--ui-dir: there is no index.html in {folder}; name the folder of a build"));
        }
        Ok(Some(Store::local(folder.clone())))
    }
}
