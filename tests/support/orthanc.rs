//! A real Orthanc on loopback, its storage in a temporary folder.

use super::process::{Running, free_port, wait_until};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A running Orthanc; killed on drop.
pub struct Orthanc {
    process: Running,
    /// Port of DICOM.
    pub dicom_port: u16,
    /// Port of REST.
    pub http_port: u16,
    folder: tempfile::TempDir,
    configuration: Value,
}

/// `Authorization` of the first of its registered users, where it has any.
fn authorization(configuration: &Value) -> Option<String> {
    let users = configuration["RegisteredUsers"].as_object()?;
    let (name, password) = users.iter().next()?;
    let login = format!("{name}:{}", password.as_str()?);
    Some(format!("Basic {}", STANDARD.encode(login)))
}

impl Orthanc {
    /// AE title of every Orthanc here.
    pub const AE_TITLE: &str = "ORTHANC";

    /// Starts Orthanc; `changes` are laid over its configuration key by key.
    pub fn start(changes: Value) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (dicom_port, http_port) = (free_port(), free_port());
        let mut configuration = json!({
            "Name": "irisnode test",
            "StorageDirectory": folder.path().join("storage"),
            "IndexDirectory": folder.path().join("storage"),
            "DicomAet": Self::AE_TITLE,
            "DicomPort": dicom_port,
            "HttpPort": http_port,
            "RemoteAccessAllowed": false,
            "AuthenticationEnabled": false,
            "DicomAlwaysAllowEcho": true,
            "DicomAlwaysAllowStore": true,
            "StableAge": 1,
            "Plugins": [],
        });
        if let (Some(base), Value::Object(changes)) = (configuration.as_object_mut(), changes) {
            base.extend(changes);
        }
        let process = Self::launch(&configuration, folder.path(), http_port);
        Self {
            process,
            dicom_port,
            http_port,
            folder,
            configuration,
        }
    }

    fn launch(configuration: &Value, folder: &Path, http_port: u16) -> Running {
        let file = folder.join("orthanc.json");
        std::fs::write(&file, configuration.to_string()).expect("a configuration file");
        let program = Path::new("/usr/sbin/Orthanc");
        assert!(program.exists(), "Orthanc is missing: run `make deps`");
        let mut running = Running::start(
            Command::new(program).arg("--verbose").arg(&file),
            folder.join("orthanc.log"),
        );
        let up = wait_until(Duration::from_secs(60), || {
            assert!(running.is_alive(), "Orthanc ended:\n{}", running.log());
            request(configuration, http_port, "GET", "/system", b"").is_some()
        });
        assert!(up, "Orthanc does not answer:\n{}", running.log());
        running
    }

    /// Stops it; its storage stays.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts it again after [`Orthanc::stop`], with the same ports and storage.
    pub fn restart(&mut self) {
        self.process = Self::launch(&self.configuration, self.folder.path(), self.http_port);
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// GET of a REST path that gives JSON.
    pub fn get(&self, path: &str) -> Value {
        let body = self.get_bytes(path);
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{path} is no JSON: {error}"))
    }

    /// GET of a REST path.
    pub fn get_bytes(&self, path: &str) -> Vec<u8> {
        request(&self.configuration, self.http_port, "GET", path, b"")
            .unwrap_or_else(|| panic!("GET {path} failed"))
    }

    /// POST to a REST path; JSON back.
    pub fn post(&self, path: &str, body: &[u8]) -> Value {
        let answer = request(&self.configuration, self.http_port, "POST", path, body);
        let answer = answer.unwrap_or_else(|| panic!("POST {path} failed"));
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    /// How many instances it holds.
    pub fn count_instances(&self) -> usize {
        self.get("/instances").as_array().map_or(0, Vec::len)
    }

    /// Orthanc's identifiers of the instances of a modality, such as `SEG`.
    pub fn instances_of(&self, modality: &str) -> Vec<String> {
        let query = json!({"Level": "Instance", "Query": {"Modality": modality}});
        let found = self.post("/tools/find", query.to_string().as_bytes());
        found
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|id| id.as_str().map(str::to_owned))
            .collect()
    }

    /// Value of a simple tag of an instance.
    pub fn tag(&self, instance: &str, keyword: &str) -> String {
        self.get(&format!("/instances/{instance}/simplified-tags"))[keyword]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// What Orthanc answers; nothing unless the status is 2xx.
fn request(
    configuration: &Value,
    port: u16,
    method: &str,
    path: &str,
    body: &[u8],
) -> Option<Vec<u8>> {
    let authorization = authorization(configuration);
    let mut headers = vec![("Host", "127.0.0.1")];
    headers.extend(
        authorization
            .iter()
            .map(|value| ("Authorization", value.as_str())),
    );
    let answer = super::http::request_with(port, method, path, &headers, body)?;
    (answer.status / 100 == 2).then_some(answer.body)
}
