//! A first configuration, made of a few answers; what it says of each option is what the reference says.

use super::explained::{Explained, options};
use super::rule::ALL_TAUGHT;
use std::net::{IpAddr, SocketAddr};
use toml::Value;

/// What a first configuration is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// AE title of the node.
    pub ae_title: String,
    /// Address and port of its DICOM listener.
    pub listen: SocketAddr,
    /// Folder of everything that it keeps.
    pub data_dir: String,
    /// Those it talks to.
    pub peers: Vec<StarterPeer>,
    /// AE title that labels which teach are sent to.
    pub teach_ae_title: String,
    /// Address of the status page; none without one.
    pub web: Option<SocketAddr>,
    /// OHIF's folder, for the day that DICOMweb is switched on.
    pub viewer: String,
    /// Modality of the first rule.
    pub modality: String,
    /// A task of the first rule, beside what is taught over DICOM.
    pub task: Option<String>,
}

/// A peer of a first configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StarterPeer {
    /// Its name.
    pub name: String,
    /// Its AE title.
    pub ae_title: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Starter {
    /// The text of the file.
    pub fn text(&self) -> String {
        let mut page = Page {
            text: BEGINNING.to_owned(),
            explained: options(),
            begins_section: true,
        };
        page.heading("[node]");
        page.option("[node]", "ae_title", text(&self.ae_title));
        page.option("[node]", "listen", text(&self.listen.to_string()));
        page.option("[node]", "data_dir", text(&self.data_dir));
        page.later("[node]", "keep_for", text("30days"));
        for peer in &self.peers {
            page.heading("[[peer]]");
            page.option("[[peer]]", "name", text(&peer.name));
            page.option("[[peer]]", "ae_title", text(&peer.ae_title));
            page.option("[[peer]]", "host", text(&peer.host));
            page.option("[[peer]]", "port", Value::Integer(peer.port.into()));
            // Addresses, not names.
            if peer.host.parse::<IpAddr>().is_ok() {
                page.later("[[peer]]", "only_from", list([peer.host.as_str()]));
            }
        }
        page.heading("[teach]");
        page.option("[teach]", "ae_title", text(&self.teach_ae_title));
        page.heading("[web]");
        match self.web {
            Some(address) => page.option("[web]", "listen", text(&address.to_string())),
            None => page.later("[web]", "listen", text("127.0.0.1:8044")),
        }
        page.heading("[dicomweb]");
        page.later("[dicomweb]", "listen", text("127.0.0.1:8043"));
        page.later("[dicomweb]", "viewer", text(&self.viewer));
        page.heading("[[rule]]");
        page.option(
            "[[rule]]",
            "name",
            text(&format!("every {}", self.modality)),
        );
        let tasks = self.task.as_deref().into_iter().chain([ALL_TAUGHT]);
        page.option("[[rule]]", "tasks", list(tasks));
        if self.task.is_none() {
            page.say(
                "# With a task of `irisnode task add abdomen`: tasks = [\"abdomen\", \"*taught\"]",
            );
        }
        page.later("[[rule]]", "hold_below", Value::Float(0.6));
        page.heading_with("[[rule]]", "when", "[rule.when]");
        page.option("[rule.when]", "Modality", text(&self.modality));
        page.say(&format!(
            "# So every {} matches, whatever it shows. `irisnode explain SERIES/` says which attributes a series has, such as\n\
             # BodyPartExamined, by which the rule can be narrowed to what its tasks are for.",
            self.modality
        ));
        page.text
    }
}

const BEGINNING: &str = "\
# irisnode's configuration, begun by `irisnode init`. plugin-config/irisnode.toml explains every option there is; what
# is not written here has its default. Check it after each change:
#
#   irisnode check --config FILE --connect
#
# Relative paths start at the folder of this file.
";

/// The text as it grows.
struct Page {
    text: String,
    explained: Vec<Explained>,
    /// What comes next is the first of its section: no blank line parts it from the heading.
    begins_section: bool,
}

impl Page {
    fn heading(&mut self, title: &str) {
        self.text += &format!("\n{title}\n");
        self.begins_section = true;
    }

    /// A heading that the reference explains as an option of the section above it.
    fn heading_with(&mut self, section: &str, key: &str, title: &str) {
        self.words(section, key);
        self.say(title);
        self.begins_section = true;
    }

    /// An option with its words.
    fn option(&mut self, section: &str, key: &str, value: Value) {
        self.words(section, key);
        self.say(&format!("{key} = {value}"));
    }

    /// An option with its words, left for later.
    fn later(&mut self, section: &str, key: &str, value: Value) {
        self.words(section, key);
        self.say(&format!("# {key} = {value}"));
    }

    fn words(&mut self, section: &str, key: &str) {
        let mut all = self.explained.iter();
        let found = all.find(|option| option.section == section && option.key == key);
        let words = found.map_or_else(String::new, |option| {
            option
                .words
                .iter()
                .map(|line| format!("{line}\n"))
                .collect()
        });
        if !words.is_empty() && !self.begins_section {
            self.text.push('\n');
        }
        self.begins_section = false;
        self.text += &words;
    }

    fn say(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> Value {
    Value::Array(texts.into_iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigFile;
    use std::path::Path;

    fn starter() -> Starter {
        Starter {
            ae_title: "IRISNODE".into(),
            listen: "0.0.0.0:11112".parse().unwrap(),
            data_dir: "C:\\it's \"here\"".into(),
            peers: vec![StarterPeer {
                name: "pacs".into(),
                ae_title: "ORTHANC".into(),
                host: "10.0.0.5".into(),
                port: 4242,
            }],
            teach_ae_title: "IRISTEACH".into(),
            web: None,
            viewer: "/usr/share/ohif".into(),
            modality: "CT".into(),
            task: None,
        }
    }

    #[test]
    fn it_says_what_was_answered_whatever_the_answer_holds() {
        let starter = starter();
        let read = ConfigFile::parse(Path::new("irisnode.toml"), &starter.text()).unwrap();
        assert!(read.warnings().is_none(), "{:?}", read.warnings());
        let config = read.config();
        assert_eq!(config.node.data_dir, Path::new(&starter.data_dir));
        assert_eq!(config.node.listen, starter.listen);
        assert_eq!(
            (config.peers[0].host.as_str(), config.peers[0].port),
            ("10.0.0.5", 4242)
        );
        assert_eq!(config.rules[0].tasks, ["*taught"]);
        assert_eq!(config.web.listen, None);
    }

    #[test]
    fn each_option_in_it_stands_in_the_reference_and_is_explained_in_its_words() {
        let text = starter().text();
        let mut section = "";
        for line in text.lines() {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            if bare.starts_with('[') {
                section = bare;
            } else if let Some((key, _)) =
                bare.split_once(" = ").filter(|(key, _)| !key.contains(' '))
            {
                let all = options();
                let option = all.iter().find(|o| o.section == section && o.key == key);
                let option =
                    option.unwrap_or_else(|| panic!("{section} {key} is not in the reference"));
                assert!(text.contains(&option.words.join("\n")), "{section} {key}");
            }
        }
        assert!(text.contains("hears the\n# network."), "{text}");
    }
}
