//! The configuration file as a whole: reading it, and finding what it names but is not there.

use super::condition::{Condition, Subject, Test};
use super::delivery::{self, Delivery};
use super::dicomweb::{self, Dicomweb};
use super::node::{self, NodeConfig};
use super::notify::{self, Notify};
use super::peer::{self, Peer, PlacedPeer};
use super::problem::{ConfigError, Findings, Problem};
use super::rule::{self, ALL_TAUGHT, PlacedRule, Rule};
use super::section::{Placed, Section};
use super::suggest::did_you_mean;
use super::teach::{self, PlacedTeach, Teach};
use super::telemetry::{self, Telemetry};
use super::tls::{self, Tls, TlsIdentity};
use super::value;
use super::web::{self, Web};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A whole, valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node itself.
    pub node: NodeConfig,
    /// How patiently results are sent.
    pub delivery: Delivery,
    /// Labels that teach.
    pub teach: Teach,
    /// The status page.
    pub web: Web,
    /// Where traces go; `None` for nowhere.
    pub telemetry: Option<Telemetry>,
    /// DICOMweb.
    pub dicomweb: Dicomweb,
    /// DICOM TLS; `None` where the node has no certificate.
    pub tls: Option<Tls>,
    /// Application entities the node talks to.
    pub peers: Vec<Peer>,
    /// Rules in the order of the file.
    pub rules: Vec<Rule>,
    /// Who is told when something needs a person.
    pub notify: Vec<Notify>,
}

impl Config {
    /// Reads a file and requires everything it names to be there: for a node that is about to start.
    ///
    /// # Errors
    /// Every problem found, at its line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Ok(ConfigFile::read_complete(path)?.config)
    }
}

/// A configuration together with the text it was read from, so that later findings can point at lines.
///
/// What the file says is valid; after [`ConfigFile::read`] what it names (weights, tasks) may still be absent.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    text: String,
    config: Config,
    warnings: Vec<Problem>,
    places: Places,
}

/// Where names that point outside the file are written.
#[derive(Debug, Clone, Default)]
struct Places {
    /// The value of `weights`, or `[node]` where it is not written.
    weights: Range<usize>,
    weights_written: bool,
    tasks: Vec<Placed<String>>,
    peers: Vec<Range<usize>>,
    /// Certificates, keys, authorities.
    tls_files: Vec<Placed<PathBuf>>,
    /// Secrets and authorities of `[[notify]]`, `[telemetry]` and the DICOMweb of peers.
    secret_files: Vec<Placed<PathBuf>>,
}

impl ConfigFile {
    /// Reads a file; what it names may be absent.
    ///
    /// # Errors
    /// The file cannot be read, or every problem of its text, at its line.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &read_text(path)?)
    }

    /// Reads what a file says of the node alone: what is wrong elsewhere in it is no reason not to look at what the node
    /// has, as long as it is known where that is.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or every problem of its `[node]`, at its line.
    pub fn read_node(path: &Path) -> Result<NodeConfig, ConfigError> {
        let text = read_text(path)?;
        if let Some(error) = ConfigError::long_line(path, &text) {
            return Err(error);
        }
        let (root, syntax) = DeTable::parse_recoverable(&text);
        let mut problems: Vec<Problem> = syntax
            .iter()
            .map(|error| syntax_problem(error, &text))
            .collect();
        let base = path.parent().unwrap_or(Path::new(""));
        let empty = Spanned::new(0..0, DeValue::Table(DeTable::new()));
        let value = root.get_ref().get("node").unwrap_or(&empty);
        let mut found = NodeConfig::default();
        if let Some((table, span)) = one_table("[node]", value, &mut problems) {
            (found, _) = node::read(Section::new("[node]", span, table, &mut problems), base);
        }
        match problems.iter().any(|problem| !problem.is_warning) {
            true => Err(invalid(path, &text, problems)),
            false => Ok(found),
        }
    }

    /// Reads a file and requires what it names to be there: the weights, and a folder for each task of each rule.
    ///
    /// # Errors
    /// As [`ConfigFile::read`], with everything missing among the problems.
    pub fn read_complete(path: &Path) -> Result<Self, ConfigError> {
        let text = read_text(path)?;
        if let Some(error) = ConfigError::long_line(path, &text) {
            return Err(error);
        }
        let (file, mut problems) = Self::parse_with_problems(path, &text);
        if let Some(file) = &file {
            problems.extend(file.missing());
        }
        Self::unless_wrong(path, &text, file, problems)
    }

    /// Reads the text of a file; `path` is where relative paths start and what problems are reported under.
    ///
    /// # Errors
    /// Every problem of the text, at its line.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        if let Some(error) = ConfigError::long_line(path, text) {
            return Err(error);
        }
        let (file, problems) = Self::parse_with_problems(path, text);
        Self::unless_wrong(path, text, file, problems)
    }

    fn unless_wrong(
        path: &Path,
        text: &str,
        file: Option<Self>,
        problems: Vec<Problem>,
    ) -> Result<Self, ConfigError> {
        let has_errors = problems.iter().any(|problem| !problem.is_warning);
        match file {
            Some(file) if !has_errors => Ok(Self {
                warnings: problems,
                ..file
            }),
            _ => Err(invalid(path, text, problems)),
        }
    }

    /// What could be read, with defaults for what could not; nothing when the text is not TOML.
    fn parse_with_problems(path: &Path, text: &str) -> (Option<Self>, Vec<Problem>) {
        let (root, syntax) = DeTable::parse_recoverable(text);
        if !syntax.is_empty() {
            // What a broken table seems to lack would only be noise.
            return (
                None,
                syntax
                    .iter()
                    .map(|error| syntax_problem(error, text))
                    .collect(),
            );
        }
        let mut problems = Vec::new();
        let base = path.parent().unwrap_or(Path::new(""));
        let (config, places) = read_root(root.get_ref(), base, &mut problems);
        let file = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            config,
            warnings: Vec::new(),
            places,
        };
        (Some(file), problems)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The configuration alone.
    pub fn into_config(self) -> Config {
        self.config
    }

    /// What is doubtful but valid.
    pub fn warnings(&self) -> Option<Findings> {
        (!self.warnings.is_empty())
            .then(|| Findings::new(&self.path, &self.text, self.warnings.clone()))
    }

    /// What the file names and is not there: the weights, and the folder of each task of each rule.
    fn missing(&self) -> Vec<Problem> {
        let node = &self.config.node;
        let mut problems = Vec::new();
        if !node.weights.is_file() {
            let message = if self.places.weights_written {
                format!("there is no weights file {}", node.weights.display())
            } else {
                format!(
                    "`weights` is not set, and its default {} is no file",
                    node.weights.display()
                )
            };
            problems.push(Problem::error(self.places.weights.clone(), message, "no such file").with_help(
                "set weights under [node] to the network's .safetensors file; a relative path starts at the folder of this file",
            ));
        }
        let absent = self
            .places
            .secret_files
            .iter()
            .filter(|file| !file.value.is_file());
        problems.extend(absent.map(|file| {
            let message = format!("there is no file {}", file.value.display());
            Problem::error(file.span.clone(), message, "no such file").with_help(
                "a secret is the first line of its file, authorities are PEM; a relative path starts at the folder of this file",
            )
        }));
        let known = task_names(&node.task_dir);
        for task in self
            .places
            .tasks
            .iter()
            .filter(|task| !known.contains(&task.value))
        {
            let help =
                did_you_mean(&task.value, known.iter().map(String::as_str)).unwrap_or_else(|| {
                    let known = match known.as_slice() {
                        [] => "there is none yet".to_owned(),
                        known => format!("there are: {}", known.join(", ")),
                    };
                    format!(
                        "teach it with `irisnode task add {}`; in {} {known}",
                        task.value,
                        node.task_dir.display()
                    )
                });
            problems.push(
                Problem::error(
                    task.span.clone(),
                    format!("there is no task `{}`", task.value),
                    "unknown task",
                )
                .with_help(help),
            );
        }
        problems
    }

    /// One problem for every place a task is named at: for what the task library finds wrong with it.
    pub fn problems_with_task(&self, name: &str, message: &str, help: &str) -> Vec<Problem> {
        let places = self.places.tasks.iter().filter(|task| task.value == name);
        places
            .map(|task| Problem::error(task.span.clone(), message, "named here").with_help(help))
            .collect()
    }

    /// What the node shows of itself as the one who is called: over DICOM, by its pages and over DICOMweb, each once.
    pub fn identities(&self) -> Vec<&TlsIdentity> {
        let Config {
            tls, web, dicomweb, ..
        } = &self.config;
        let own = tls.as_ref().map(|tls| &tls.identity);
        let named = [own, web.identity.as_ref(), dicomweb.identity.as_ref()];
        let mut identities = Vec::new();
        for identity in named.into_iter().flatten() {
            if !identities.contains(&identity) {
                identities.push(identity);
            }
        }
        identities
    }

    /// The files of authorities that are named, each once.
    pub fn authorities(&self) -> Vec<PathBuf> {
        let own = self.config.tls.as_ref();
        let shared = own.and_then(|tls| tls.client_authorities.clone());
        let peers = self
            .config
            .peers
            .iter()
            .filter_map(|peer| peer.tls.as_ref());
        let mut files: Vec<PathBuf> = shared
            .into_iter()
            .chain(peers.map(|tls| tls.authorities.clone()))
            .collect();
        files.sort();
        files.dedup();
        files
    }

    /// One problem for every place a file of TLS is named at.
    pub fn problems_with_tls_file(&self, path: &Path, message: &str, help: &str) -> Vec<Problem> {
        let places = self
            .places
            .tls_files
            .iter()
            .filter(|file| file.value == path);
        places
            .map(|file| Problem::error(file.span.clone(), message, "this file").with_help(help))
            .collect()
    }

    /// A problem with a peer, by its index in [`Config::peers`].
    pub fn problem_with_peer(&self, index: usize, message: &str, help: &str) -> Problem {
        let span = self.places.peers.get(index).cloned().unwrap_or(0..0);
        Problem::error(span, message, "this peer").with_help(help)
    }

    /// Adds findings about what the file names: an error when one of them is an error, else they are warnings.
    ///
    /// # Errors
    /// Every problem, those of the file's own text too.
    pub fn with_findings(mut self, problems: Vec<Problem>) -> Result<Self, ConfigError> {
        if problems.iter().any(|problem| !problem.is_warning) {
            return Err(self.invalid(problems));
        }
        self.warnings.extend(problems);
        Ok(self)
    }

    /// The error made of these problems and the file's own warnings.
    pub fn invalid(&self, mut problems: Vec<Problem>) -> ConfigError {
        problems.extend(self.warnings.iter().cloned());
        invalid(&self.path, &self.text, problems)
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn invalid(path: &Path, text: &str, problems: Vec<Problem>) -> ConfigError {
    ConfigError::Invalid(Box::new(Findings::new(path, text, problems)))
}

fn syntax_problem(error: &toml::de::Error, text: &str) -> Problem {
    let span = error.span().unwrap_or(0..0);
    // At the end of the file there is nothing to point at but what came last.
    let last = text
        .trim_end()
        .char_indices()
        .next_back()
        .map_or(0, |(at, _)| at);
    let span = if span.start > last {
        last..text.trim_end().len()
    } else {
        span.start..span.end.min(text.len())
    };
    Problem::error(span, "this is not TOML", error.message())
        .with_help("texts stand in quotes, lists in [brackets], and a key or a [section] may be given once: a second one's lines go into the first; see https://toml.io")
}

/// Folders of the task library that hold a `task.toml`, sorted.
fn task_names(task_dir: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(task_dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = folders
        .filter(|folder| folder.path().join("task.toml").is_file())
        .filter_map(|folder| folder.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn read_root(root: &DeTable<'_>, base: &Path, problems: &mut Vec<Problem>) -> (Config, Places) {
    const KNOWN: [&str; 10] = [
        "node",
        "tls",
        "delivery",
        "teach",
        "web",
        "dicomweb",
        "peer",
        "rule",
        "notify",
        "telemetry",
    ];
    let empty = Spanned::new(0..0, DeValue::Table(DeTable::new()));
    for key in root
        .keys()
        .filter(|key| !KNOWN.contains(&key.get_ref().as_ref()))
    {
        let help = did_you_mean(key.get_ref(), KNOWN).unwrap_or_else(|| {
            "known here: [node], [tls], [delivery], [teach], [web], [dicomweb], [telemetry], [[peer]], [[rule]], [[notify]]".to_owned()
        });
        let message = format!("`{}` does not belong at the top level", key.get_ref());
        problems.push(Problem::error(key.span(), message, "unknown").with_help(help));
    }
    let mut places = Places::default();
    let (mut node, mut delivery) = (NodeConfig::default(), Delivery::default());
    if let Some((table, span)) = one_table("[node]", root.get("node").unwrap_or(&empty), problems) {
        let (read, weights) =
            node::read(Section::new("[node]", span.clone(), table, problems), base);
        node = read;
        places.weights_written = weights.is_some();
        places.weights = weights.unwrap_or(span);
    }
    if let Some((table, span)) = one_table(
        "[delivery]",
        root.get("delivery").unwrap_or(&empty),
        problems,
    ) {
        delivery = delivery::read(Section::new("[delivery]", span, table, problems));
    }
    let mut teach = PlacedTeach::default();
    if let Some((table, span)) = one_table("[teach]", root.get("teach").unwrap_or(&empty), problems)
    {
        teach = teach::read(Section::new("[teach]", span, table, problems));
    }
    let mut web = Web {
        listen: None,
        identity: None,
        users: node.data_dir.join("users.toml"),
    };
    if let Some((table, span)) = one_table("[web]", root.get("web").unwrap_or(&empty), problems) {
        let section = Section::new("[web]", span, table, problems);
        let (read, files) = web::read(section, &node.data_dir, base);
        web = read;
        places.tls_files.extend(files);
    }
    let mut dicomweb = Dicomweb::default();
    if let Some((table, span)) = one_table(
        "[dicomweb]",
        root.get("dicomweb").unwrap_or(&empty),
        problems,
    ) {
        let section = Section::new("[dicomweb]", span, table, problems);
        let (read, files) = dicomweb::read(section, base);
        dicomweb = read;
        places.tls_files.extend(files);
    }
    let mut tls = None;
    if let Some(value) = root.get("tls")
        && let Some((table, span)) = one_table("[tls]", value, problems)
    {
        let read = tls::read(Section::new("[tls]", span, table, problems), base);
        tls = read.tls;
        places.tls_files.extend(read.files);
    }
    let mut peers = Vec::new();
    for (table, span) in tables("[[peer]]", root.get("peer"), problems) {
        let section = Section::new("[[peer]]", span, table, problems);
        let placed = peer::read(section, base, tls.as_ref());
        places.tls_files.extend(placed.authorities.clone());
        places.secret_files.extend(placed.secret_files.clone());
        peers.push(placed);
    }
    let mut telemetry = None;
    if let Some(value) = root.get("telemetry")
        && let Some((table, span)) = one_table("[telemetry]", value, problems)
    {
        let section = Section::new("[telemetry]", span, table, problems);
        telemetry = telemetry::read(section, base, &mut places.secret_files);
    }
    let mut notify = Vec::new();
    for (table, span) in tables("[[notify]]", root.get("notify"), problems) {
        let placed = notify::read(Section::new("[[notify]]", span, table, problems), base);
        places.secret_files.extend(placed.files.clone());
        notify.push(placed);
    }
    no_name_twice(
        "[[notify]] with the name",
        notify.iter().filter_map(|placed| placed.name.as_ref()),
        problems,
    );
    let mut rules = Vec::new();
    for (table, span) in tables("[[rule]]", root.get("rule"), problems) {
        rules.extend(rule::read(Section::new("[[rule]]", span, table, problems)));
    }
    check_across(&node, &teach, &peers, &rules, problems);
    places.tasks = rules
        .iter()
        .flat_map(|rule| rule.tasks.iter())
        .filter(|task| task.value != ALL_TAUGHT)
        .cloned()
        .collect();
    places.peers = peers
        .iter()
        .filter(|placed| placed.peer.is_some())
        .filter_map(|placed| placed.name.as_ref().map(|name| name.span.clone()))
        .collect();
    let config = Config {
        node,
        delivery,
        teach: teach.teach,
        web,
        telemetry,
        dicomweb,
        tls,
        peers: peers.into_iter().filter_map(|placed| placed.peer).collect(),
        rules: rules.into_iter().map(|placed| placed.rule).collect(),
        notify: notify
            .into_iter()
            .filter_map(|placed| placed.notify)
            .collect(),
    };
    (config, places)
}

type Table<'t> = (&'t DeTable<'t>, Range<usize>);

fn one_table<'t>(
    title: &str,
    value: &'t Spanned<DeValue<'t>>,
    problems: &mut Vec<Problem>,
) -> Option<Table<'t>> {
    let table = value
        .get_ref()
        .as_table()
        .map(|table| (table, value.span()));
    if table.is_none() {
        problems.push(
            Problem::error(
                value.span(),
                format!("{title} must be one table"),
                value::kind(value.get_ref()),
            )
            .with_help(format!(
                "write {title} on a line of its own, with single brackets, once"
            )),
        );
    }
    table
}

fn tables<'t>(
    title: &str,
    value: Option<&'t Spanned<DeValue<'t>>>,
    problems: &mut Vec<Problem>,
) -> Vec<Table<'t>> {
    let Some(value) = value else {
        return Vec::new();
    };
    let help = format!("write {title} on a line of its own, with double brackets, once for each");
    let Some(items) = value.get_ref().as_array() else {
        problems.push(
            Problem::error(
                value.span(),
                format!("{title} needs double brackets"),
                value::kind(value.get_ref()),
            )
            .with_help(help),
        );
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items.iter() {
        match item.get_ref().as_table() {
            Some(table) => found.push((table, item.span())),
            None => problems.push(
                Problem::error(
                    item.span(),
                    format!("{title} must be a table"),
                    value::kind(item.get_ref()),
                )
                .with_help(help.clone()),
            ),
        }
    }
    found
}

/// What only shows when peers and rules are seen together.
fn check_across(
    node: &NodeConfig,
    teach: &PlacedTeach,
    peers: &[PlacedPeer],
    rules: &[PlacedRule],
    problems: &mut Vec<Problem>,
) {
    no_name_twice(
        "peers",
        peers.iter().filter_map(|peer| peer.name.as_ref()),
        problems,
    );
    no_name_twice(
        "peers with the AE title",
        peers.iter().filter_map(|peer| peer.ae_title.as_ref()),
        problems,
    );
    no_name_twice("rules", rules.iter().map(|rule| &rule.name), problems);
    let names: Vec<&str> = peers
        .iter()
        .filter_map(|peer| peer.name.as_ref())
        .map(|name| name.value.as_str())
        .collect();
    let destinations = rules.iter().flat_map(|rule| &rule.destinations);
    for named in destinations.chain(&teach.peers) {
        if !names.contains(&named.value.as_str()) {
            problems.push(unknown_peer(named, &names));
        }
    }
    if let Some(title) = teach.ae_title.as_ref().filter(|t| t.value == node.ae_title) {
        problems.push(
            Problem::error(
                title.span.clone(),
                format!("`{}` is the AE title of the node itself", title.value),
                "the same AE title",
            )
            .with_help("give [teach] one of its own, such as \"IRISTEACH\": by it labels that teach are known from series that are to be segmented"),
        );
    }
    // With a peer half read, who can be reached is not known.
    if let Some(peers) = peers
        .iter()
        .map(|placed| placed.peer.as_ref())
        .collect::<Option<Vec<&Peer>>>()
    {
        problems.extend(
            rules
                .iter()
                .filter_map(|rule| never_delivers(node, &peers, rule)),
        );
    }
}

fn unknown_peer(destination: &Placed<String>, names: &[&str]) -> Problem {
    let help =
        did_you_mean(&destination.value, names.iter().copied()).unwrap_or_else(|| match names {
            [] => "add a [[peer]] with this name".to_owned(),
            names => format!(
                "add a [[peer]] with this name, or use one of: {}",
                names.join(", ")
            ),
        });
    let message = format!("there is no peer `{}`", destination.value);
    Problem::error(destination.span.clone(), message, "unknown peer").with_help(help)
}

fn no_name_twice<'n>(
    what: &str,
    names: impl Iterator<Item = &'n Placed<String>>,
    problems: &mut Vec<Problem>,
) {
    let mut seen: BTreeMap<&str, ()> = BTreeMap::new();
    for name in names {
        if seen.insert(&name.value, ()).is_some() {
            problems.push(
                Problem::error(
                    name.span.clone(),
                    format!("two {what} `{}`", name.value),
                    "the second one",
                )
                .with_help("give each its own"),
            );
        }
    }
}

/// A warning when a rule without destinations can only match series whose sender is no peer.
fn never_delivers(node: &NodeConfig, peers: &[&Peer], rule: &PlacedRule) -> Option<Problem> {
    if !rule.destinations.is_empty() {
        return None;
    }
    let callers = demanded_callers(&rule.rule.when);
    let reachable = |caller: &Option<Vec<&str>>| {
        peers.iter().any(|peer| {
            caller
                .as_ref()
                .is_none_or(|titles| titles.contains(&peer.ae_title.as_str()))
        })
    };
    if reachable(&callers) {
        return None;
    }
    let label = match &callers {
        Some(titles) => format!("no peer has the AE title {}", titles.join(" or ")),
        None => "there is no [[peer]] to send to".to_owned(),
    };
    let consequence = if node.accept_unknown_callers {
        "its results have nowhere to go"
    } else {
        "it can never match"
    };
    Some(
        Problem::warning(
            rule.name.span.clone(),
            format!(
                "rule `{}` sends to the peer a series came from, but {consequence}",
                rule.name.value
            ),
            label,
        )
        .with_help("add that [[peer]], or name destinations in the rule"),
    )
}

/// The calling AE titles a condition demands at its top level, if it demands any by name.
fn demanded_callers(when: &Condition) -> Option<Vec<&str>> {
    match when {
        Condition::Test {
            subject: Subject::CallingAe,
            test: Test::Equals(title),
        } => Some(vec![title]),
        Condition::Test {
            subject: Subject::CallingAe,
            test: Test::OneOf(titles),
        } => Some(titles.iter().map(String::as_str).collect()),
        Condition::All(parts) => parts.iter().find_map(demanded_callers),
        _ => None,
    }
}
