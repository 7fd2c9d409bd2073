//! `[dicomweb]`: QIDO-RS, WADO-RS and STOW-RS.

use super::problem::Problem;
use super::section::{Complaint, Placed, Section};
use super::tls::{self, TlsIdentity};
use super::value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// AE title that series stored by STOW-RS count as sent by.
const DEFAULT_AE_TITLE: &str = "DICOMWEB";
const DEFAULT_MAX_REQUESTS: i64 = 32;
const DEFAULT_MAX_STORES: i64 = 4;
/// An instance of 4 GiB is the largest whose pixel data is one value.
const DEFAULT_MAX_INSTANCE: u64 = 4 << 30;

/// `[dicomweb]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dicomweb {
    /// Address of the HTTP listener; none when there is to be no service.
    pub listen: Option<SocketAddr>,
    /// What HTTPS is spoken by; HTTP where there is none.
    pub identity: Option<TlsIdentity>,
    /// Where clients find it, `/dicom-web` included; by the Host header where it is not written.
    pub url: Option<String>,
    /// Whether the users of `[web]` are let in, by HTTP Basic.
    pub users: bool,
    /// File of tokens, one a line, whose holders are let in.
    pub token_file: Option<PathBuf>,
    /// Origins whose pages may ask from a browser.
    pub allow_origin: Vec<String>,
    /// The folder of OHIF's files, which is served at the root of the listener.
    pub viewer: Option<PathBuf>,
    /// AE title that series stored by STOW-RS count as sent by.
    pub ae_title: String,
    /// Requests at the same time that query or retrieve.
    pub max_requests: usize,
    /// Requests at the same time that store.
    pub max_stores: usize,
    /// Bytes of the largest instance that is stored.
    pub max_instance_bytes: u64,
}

impl Default for Dicomweb {
    fn default() -> Self {
        Self {
            listen: None,
            identity: None,
            url: None,
            users: false,
            token_file: None,
            allow_origin: Vec::new(),
            viewer: None,
            ae_title: DEFAULT_AE_TITLE.to_owned(),
            max_requests: DEFAULT_MAX_REQUESTS as usize,
            max_stores: DEFAULT_MAX_STORES as usize,
            max_instance_bytes: DEFAULT_MAX_INSTANCE,
        }
    }
}

impl Dicomweb {
    /// Where the viewer that is served here shows a study, for whoever asks for the node by this name; `None` where it
    /// is beyond reach from there.
    pub fn viewer_on(&self, study_uid: &str, asked: &str, from_here: bool) -> Option<String> {
        let (listen, _) = self.listen.zip(self.viewer.as_ref())?;
        let scheme = TlsIdentity::scheme(self.identity.as_ref());
        let root = match &self.url {
            Some(url) => url
                .trim_end_matches('/')
                .trim_end_matches("/dicom-web")
                .to_owned(),
            None if listen.ip().is_unspecified() => {
                let is_name = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
                if !asked.bytes().all(is_name) {
                    return None;
                }
                format!("{scheme}://{asked}:{}", listen.port())
            }
            None if listen.ip().is_loopback() && !from_here => return None,
            None => format!("{scheme}://{listen}"),
        };
        Some(format!("{root}/viewer?StudyInstanceUIDs={study_uid}"))
    }
}

/// How many requests.
fn count(value: &DeValue<'_>) -> Result<i64, Complaint> {
    value::integer(value, 1, 1000)
}

/// Reads `[dicomweb]`, and gives the places of the files of TLS.
pub(super) fn read(mut section: Section<'_, '_>, base: &Path) -> (Dicomweb, Vec<Placed<PathBuf>>) {
    let default = Dicomweb::default();
    let listen = section.optional("listen", value::socket_address);
    let (identity, files) = tls::https(&mut section, base);
    let url = section.optional("url", value::text);
    let users = section.or("users", false, value::boolean);
    let token_file = section.optional("token_file", value::path(base));
    let origins = section.or("allow_origin", Vec::new(), value::texts);
    let viewer = section.optional("viewer", value::path(base));
    if let Some(placed) = &viewer
        && !placed.value.join("index.html").is_file()
    {
        section.problems().push(
            Problem::error(
                placed.span.clone(),
                "`viewer` of [dicomweb] holds no OHIF",
                "no index.html in it",
            )
            .with_help("write the folder of OHIF's files as they are served; `make viewers` puts them into .deps/ohif of the checkout"),
        );
    }
    let ae_title = section.or("ae_title", default.ae_title, value::ae_title);
    let max_requests = section.or("max_requests", DEFAULT_MAX_REQUESTS, count);
    let max_stores = section.or("max_stores", DEFAULT_MAX_STORES, count);
    let max_instance_bytes = section.or("max_instance", DEFAULT_MAX_INSTANCE, value::size);
    let is_open = !users && token_file.is_none();
    if let Some(placed) = &listen
        && !placed.value.ip().is_loopback()
        && is_open
    {
        section.problems().push(
            Problem::error(
                placed.span.clone(),
                "`listen` of [dicomweb] is open to the network, and nobody is asked who they are",
                "not this machine only",
            )
            .with_help("write users = true or token_file = \"FILE\", or \"127.0.0.1:8043\"; and `certificate` and `key`, for HTTPS"),
        );
    }
    let is_behind_tls = url
        .as_ref()
        .is_some_and(|url| url.value.starts_with("https://"));
    if let Some(placed) = &listen
        && !placed.value.ip().is_loopback()
        && files.is_empty()
        && !is_behind_tls
    {
        section.problems().push(
            Problem::warning(
                placed.span.clone(),
                "`listen` of [dicomweb] is open to the network, without TLS: images and passwords cross it in the clear",
                "HTTP",
            )
            .with_help("write `certificate` and `key` beside it, for HTTPS; or, with a web server with TLS before it, its URL: url = \"https://...\""),
        );
    }
    if let Some(placed) = &url
        && !["http://", "https://"]
            .iter()
            .any(|scheme| placed.value.starts_with(scheme))
    {
        section.problems().push(
            Problem::error(
                placed.span.clone(),
                "`url` of [dicomweb] is no URL",
                "no http:// or https://",
            )
            .with_help("write where clients find it: \"https://pacs.example.org/dicom-web\""),
        );
    }
    for origin in &origins {
        let is_any = origin.value == "*";
        if is_any && is_open {
            section.problems().push(
                Problem::error(
                    origin.span.clone(),
                    "`allow_origin` of [dicomweb] lets every page in, and nobody is asked who they are",
                    "any page",
                )
                .with_help("name the origins, or write users = true or token_file = \"FILE\""),
            );
        }
        let has_path = origin.value.splitn(4, '/').nth(3).is_some();
        if !is_any && (has_path || !origin.value.contains("://")) {
            section.problems().push(
                Problem::error(origin.span.clone(), "`allow_origin` of [dicomweb] names something that is no origin", "no origin")
                    .with_help("an origin is scheme, host and port, without a slash at the end: \"https://viewer.example.org\""),
            );
        }
    }
    section.finish();
    let dicomweb = Dicomweb {
        listen: listen.map(|placed| placed.value),
        identity,
        url: url.map(|placed| placed.value),
        users,
        token_file: token_file.map(|placed| placed.value),
        allow_origin: origins.into_iter().map(|placed| placed.value).collect(),
        viewer: viewer.map(|placed| placed.value),
        ae_title,
        max_requests: max_requests.unsigned_abs() as usize,
        max_stores: max_stores.unsigned_abs() as usize,
        max_instance_bytes,
    };
    (dicomweb, files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_study_is_shown_where_clients_find_the_viewer() {
        let of = |listen: &str, url: Option<&str>, asked: &str| {
            let dicomweb = Dicomweb {
                listen: Some(listen.parse().unwrap()),
                url: url.map(str::to_owned),
                viewer: Some("ohif".into()),
                ..Dicomweb::default()
            };
            dicomweb.viewer_on("1.2.3", asked, asked == "localhost")
        };
        let page = "viewer?StudyInstanceUIDs=1.2.3";
        let at = |root: &str| Some(format!("{root}/{page}"));
        assert_eq!(
            of("127.0.0.1:8043", None, "localhost"),
            at("http://127.0.0.1:8043")
        );
        assert_eq!(of("127.0.0.1:8043", None, "node.example.org"), None);
        assert_eq!(
            of("10.0.0.5:8043", None, "localhost"),
            at("http://10.0.0.5:8043")
        );
        assert_eq!(
            of("0.0.0.0:8043", None, "localhost"),
            at("http://localhost:8043")
        );
        assert_eq!(
            of("0.0.0.0:8043", None, "node.example.org"),
            at("http://node.example.org:8043")
        );
        assert_eq!(of("0.0.0.0:8043", None, "<script>"), None);
        let url = Some("https://pacs.example.org/dicom-web/");
        assert_eq!(
            of("0.0.0.0:8043", url, "localhost"),
            at("https://pacs.example.org")
        );
        let none = Dicomweb {
            viewer: Some("ohif".into()),
            ..Dicomweb::default()
        };
        assert_eq!(none.viewer_on("1.2.3", "localhost", true), None);
    }
}
