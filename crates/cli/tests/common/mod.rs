//! Runs the binary: to its end, or as a server that goes away with its handle.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a process said, and how it ended.
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A server on a free port.
pub struct Server {
    child: Child,
    /// What the start printed.
    pub banner: String,
    pub port: u16,
    log: Receiver<String>,
}

/// Runs `ferroflow` in `folder` with these variables and nothing of MLflow's but them.
pub fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Done {
    let output = command(folder, arguments, variables).output().expect("ferroflow runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Done { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Server {
    /// Starts `ferroflow server` in `folder`; the first request may be sent at once.
    pub fn start(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_until("web UI", folder, arguments, variables)
    }

    /// Starts `ferroflow server` in `folder`, where its database cannot be served yet.
    pub fn start_closed(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_until("not ready", folder, arguments, variables)
    }

    fn start_until(end: &str, folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let arguments = [&["server", "--port", "0"], arguments].concat();
        let mut child = command(folder, &arguments, variables)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ferroflow runs");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (send, log) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut banner = String::new();
        while !banner.contains(end) {
            let line = log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no start:\n{banner}"));
            banner += &(line + "\n");
        }
        // The last one, as the database has a port, too.
        let port = banner.split("127.0.0.1:").last().expect("an address");
        let port = port.split(|c: char| !c.is_ascii_digit()).next().and_then(|port| port.parse().ok());
        Self { child, port: port.expect("a port"), banner, log }
    }

    /// Sends `head` and `body` on a connection of its own, and answers everything that comes back.
    pub fn request(&self, head: &str) -> String {
        let mut connection = self.connect();
        write!(connection, "{head}\r\nConnection: close\r\n\r\n").expect("a connection");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        answer
    }

    pub fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        connection.set_read_timeout(Some(PATIENCE)).expect("a socket");
        connection
    }

    /// Sends a signal, by the name that `kill` knows.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    }

    /// The next line of the log that contains `text`.
    pub fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nothing said {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for the end, and answers it with the rest of the log.
    pub fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a process") {
                return (status, self.log.iter().map(|line| line + "\n").collect());
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferroflow"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MLFLOW_") || name.to_string_lossy().starts_with("FERROFLOW_") {
            command.env_remove(name);
        }
    }
    // What the user of this machine has installed is not part of a test.
    command.env("FERROFLOW_UI_HOME", folder.join("no UI"));
    command.current_dir(folder).args(arguments).envs(variables.iter().copied());
    command
}
