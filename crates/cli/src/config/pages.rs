//! The web UI.

use crate::ui::home;
use artifacts::Store;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(next_help_heading = "Web UI")]
pub struct PageOptions {
    /// A folder with a build of MLflow's web UI, instead of the one of `ferroflow ui install` [default: the installed one].
    #[arg(long, env = "FERROFLOW_UI_DIR", value_name = "FOLDER")]
    ui_dir: Option<PathBuf>,
}

impl PageOptions {
    /// The UI's files: those of the named folder, else those that are installed, else none.
    ///
    /// # Errors
    /// A sentence when the named folder has no UI.
    pub fn ui(&self) -> Result<Option<Store>, String> {
        let Some(folder) = &self.ui_dir else { return Ok(home::installed().map(Store::local)) };
        if !home::has_build(folder) {
            let folder = folder.display();
            return Err(format!("--ui-dir: there is no index.html in {folder}; name the folder of a build"));
        }
        Ok(Some(Store::local(folder.clone())))
    }
}
