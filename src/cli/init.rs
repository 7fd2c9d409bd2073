//! `irisnode init`: Write a first configuration from a few answers.

use super::peer_args::{ae_title, host_and_port, runtime};
use crate::config::{ConfigFile, Delivery, Starter, StarterPeer, above_program};
use crate::deliver::echo;
use dialoguer::{Confirm, Input, Select};
use miette::{IntoDiagnostic, miette};
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  irisnode init
  irisnode init --out /etc/irisnode/irisnode.toml --peer pacs=ORTHANC@10.0.0.5:4242
  irisnode init --ae-title IRISNODE --listen 0.0.0.0:11112 --data-dir /var/lib/irisnode \\
      --peer pacs=ORTHANC@10.0.0.5:4242 --web 127.0.0.1:8044 --modality CT --yes

At a terminal it asks for what no option says; with --yes it asks nothing and takes the defaults. A file that is
there is left as it is without --force.";

/// What the first rule may be about.
const MODALITIES: [&str; 3] = ["CT", "MR", "PT"];
const AE_TITLE: &str = "IRISNODE";
const LISTEN: &str = "0.0.0.0:11112";
const TEACH_AE: &str = "IRISTEACH";
const WEB: &str = "127.0.0.1:8044";

/// Write a first configuration from a few answers.
///
/// Asks for the AE title, where to listen, the data folder, the PACS, and the first rule's modality and task; writes a commented
/// file, calls the PACS by C-ECHO if you like, and says what to type next.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// AE title of the node [default: IRISNODE].
    #[arg(long, value_name = "AE", value_parser = ae_title)]
    ae_title: Option<String>,
    /// Address and port of its DICOM listener [default: 0.0.0.0:11112].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Folder of everything it keeps [default: irisnode-data beside the file; /var/lib/irisnode for one in /etc].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// A PACS or other peer that may send and be sent to; may be given again.
    #[arg(long = "peer", value_name = "NAME=AE@HOST:PORT", value_parser = peer)]
    peers: Vec<StarterPeer>,
    /// AE title that labels which teach are sent to [default: IRISTEACH].
    #[arg(long, value_name = "AE", value_parser = ae_title)]
    teach_ae: Option<String>,
    /// Address of the status page, one of this machine's own, or `none` [default: 127.0.0.1:8044].
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = web)]
    web: Option<WebArg>,
    /// Modality of the first rule [default: CT].
    #[arg(long, value_name = "MODALITY", value_parser = MODALITIES)]
    modality: Option<String>,
    /// A task that the first rule runs, beside what is taught over DICOM; taught next, if it is not yet.
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "irisnode.toml")]
    out: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
    /// Ask nothing; what no option says has its default.
    #[arg(long, short)]
    yes: bool,
}

/// Where the status page is, if anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WebArg(Option<SocketAddr>);

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    if args.out.exists() && !args.force {
        return Err(miette!(
            help = "name another with --out, or write over it with --force",
            "{} is there already",
            args.out.display()
        ));
    }
    let asks = !args.yes;
    if asks && !std::io::stdin().is_terminal() {
        return Err(miette!(
            help = "say what is not the default by options, and add --yes; `irisnode init --help` has an example",
            "there is no terminal to ask at"
        ));
    }
    if !asks && args.peers.is_empty() {
        return Err(miette!(
            help = "add --peer pacs=ORTHANC@10.0.0.5:4242, with its AE title, address and port",
            "no PACS is named, so nobody could send"
        ));
    }
    let (out, force) = (args.out.clone(), args.force);
    let starter = answers(args, asks)?;
    let text = starter.text();
    // What an option says may be wrong only beside another one: two peers of one name.
    ConfigFile::parse(&out, &text)?;
    write(&out, &text, force)?;
    println!("Wrote {}.", out.display());
    if asks {
        offer_echo(&starter)?;
    }
    print!("\n{}", next_steps(&starter, &out));
    Ok(())
}

/// What the options say, and, where they do not, what is answered or else the default.
fn answers(args: Args, asks: bool) -> miette::Result<Starter> {
    let asked = |question: &str, default: &str, right: fn(&str) -> Result<(), String>| {
        if !asks {
            return Ok(default.to_owned());
        }
        Input::<String>::new()
            .with_prompt(question)
            .default(default.to_owned())
            .validate_with(|text: &String| right(text.trim()))
            .interact_text()
            .map(|text| text.trim().to_owned())
            .into_diagnostic()
    };
    let is_title = |text: &str| ae_title(text).map(|_| ());
    let ae_title = match args.ae_title {
        Some(title) => title,
        None => asked("AE title of the node", AE_TITLE, is_title)?,
    };
    let listen = match args.listen {
        Some(address) => address,
        None => asked(
            "Address and port to listen on (0.0.0.0 hears the network, 127.0.0.1 this machine only)",
            LISTEN,
            is_address,
        )?
        .parse()
        .into_diagnostic()?,
    };
    let data_dir = match args.data_dir {
        Some(folder) => folder,
        None => asked(
            "Folder for patients' images and results",
            default_data_dir(&args.out),
            |folder| match folder.starts_with('~') {
                true => Err("write the whole path: ~ is not expanded here".to_owned()),
                false => Ok(()),
            },
        )?,
    };
    let mut peers = args.peers;
    if peers.is_empty() {
        let name = asked(
            "A name for the PACS, for rules and the log",
            "pacs",
            is_something,
        )?;
        let title = asked("AE title of the PACS", "ORTHANC", is_title)?;
        let place = asked("Its address and DICOM port", "127.0.0.1:4242", |text| {
            host_and_port(text).map(|_| ())
        })?;
        let (host, port) = host_and_port(&place).map_err(|reason| miette!("{reason}"))?;
        peers.push(StarterPeer {
            name,
            ae_title: title,
            host,
            port,
        });
    }
    let teach_ae_title = match args.teach_ae {
        Some(title) => title,
        None => asked(
            "AE title that drawn segmentations are sent to, to teach",
            TEACH_AE,
            is_title,
        )?,
    };
    let web = match args.web {
        Some(WebArg(address)) => address,
        None => {
            let wanted = !asks
                || Confirm::new()
                    .with_prompt(format!(
                        "A status page on http://{WEB}/, for this machine only?"
                    ))
                    .default(true)
                    .interact()
                    .into_diagnostic()?;
            wanted.then(|| WEB.parse()).transpose().into_diagnostic()?
        }
    };
    let modality = match args.modality {
        Some(modality) => modality,
        None if asks => {
            let chosen = Select::new()
                .with_prompt("Which series does the first rule segment?")
                .items(MODALITIES)
                .default(0)
                .interact()
                .into_diagnostic()?;
            MODALITIES[chosen].to_owned()
        }
        None => MODALITIES[0].to_owned(),
    };
    let task = match args.task {
        Some(task) => Some(task),
        None if asks => {
            let named = Input::<String>::new()
                .with_prompt(
                    "A task that it runs, to be taught from files next (empty: only what is taught from the viewer)",
                )
                .allow_empty(true)
                .interact_text()
                .into_diagnostic()?;
            let named = named.trim();
            (!named.is_empty()).then(|| named.to_owned())
        }
        None => None,
    };
    Ok(Starter {
        ae_title,
        listen,
        data_dir,
        peers,
        teach_ae_title,
        web,
        viewer: viewer(),
        modality,
        task,
    })
}

/// Where `make viewers` puts OHIF, in a checkout; else where a package would.
fn viewer() -> String {
    let mut above = above_program().into_iter();
    match above.find(|folder| folder.join(".deps").is_dir()) {
        Some(checkout) => checkout.join(".deps/ohif").display().to_string(),
        None => "/usr/share/ohif".to_owned(),
    }
}

/// The service's own folder for a configuration of the system, else one beside the file.
fn default_data_dir(out: &Path) -> &'static str {
    match out.starts_with("/etc") {
        true => "/var/lib/irisnode",
        false => "irisnode-data",
    }
}

/// Writes the whole file or none of it.
fn write(out: &Path, text: &str, force: bool) -> miette::Result<()> {
    let folder = match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).into_diagnostic()?;
    let file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .into_diagnostic()?;
    std::fs::write(file.path(), text).into_diagnostic()?;
    let written = if force {
        file.persist(out)
    } else {
        file.persist_noclobber(out)
    };
    written.map(|_| ()).into_diagnostic()
}

/// Calls the PACS by C-ECHO, where that is wanted; says what it answered.
fn offer_echo(starter: &Starter) -> miette::Result<()> {
    let file = ConfigFile::parse(Path::new("irisnode.toml"), &starter.text())?;
    for peer in &file.config().peers {
        let wanted = Confirm::new()
            .with_prompt(format!(
                "Call {} at {}:{} by C-ECHO now?",
                peer.ae_title, peer.host, peer.port
            ))
            .default(true)
            .interact()
            .into_diagnostic()?;
        if !wanted {
            continue;
        }
        match runtime()?.block_on(echo(peer, &starter.ae_title, &Delivery::default())) {
            Ok(elapsed) => println!("It answered in {:.0} ms.", elapsed.as_secs_f64() * 1000.0),
            Err(error) => println!("No: {error}"),
        }
    }
    Ok(())
}

/// What to do in the PACS, and what to type.
fn next_steps(starter: &Starter, out: &Path) -> String {
    let out = out.display();
    let Starter {
        ae_title,
        listen,
        teach_ae_title,
        modality,
        ..
    } = starter;
    let mut text = format!(
        "In the PACS: let {modality} series go to {ae_title}, and make {teach_ae_title} a destination for drawn \
         segmentations; both are this machine, port {}.\n\nNext:\n",
        listen.port()
    );
    if let Some(task) = &starter.task {
        text += &format!(
            "  irisnode task add {task} --image SERIES/ --label SEG.dcm --config {out}   # README, step 3, has an example to try\n"
        );
    }
    text +=
        &format!("  irisnode check --config {out} --connect\n  irisnode serve --config {out}\n");
    if starter.task.is_none() {
        text += &format!(
            "  irisnode teach list --config {out}   # once a segmentation was sent to {teach_ae_title}\n"
        );
    }
    text
}

fn is_something(text: &str) -> Result<(), String> {
    match text.is_empty() {
        true => Err("a name has at least one letter".to_owned()),
        false => Ok(()),
    }
}

fn is_address(text: &str) -> Result<(), String> {
    match text.parse::<SocketAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err("write an address and a port, such as 0.0.0.0:11112".to_owned()),
    }
}

fn peer(text: &str) -> Result<StarterPeer, String> {
    let shape = "write NAME=AE@HOST:PORT, such as pacs=ORTHANC@10.0.0.5:4242";
    let (name, rest) = text.split_once('=').ok_or(shape)?;
    let (title, place) = rest.split_once('@').ok_or(shape)?;
    is_something(name.trim())?;
    let (host, port) = host_and_port(place)?;
    Ok(StarterPeer {
        name: name.trim().to_owned(),
        ae_title: ae_title(title)?,
        host,
        port,
    })
}

fn web(text: &str) -> Result<WebArg, String> {
    if text == "none" {
        return Ok(WebArg(None));
    }
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("write an address and a port, such as {WEB}, or none"))?;
    match address.ip().is_loopback() {
        true => Ok(WebArg(Some(address))),
        false => Err("the page is for this machine only: 127.0.0.1 or [::1]".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_named_titled_and_placed() {
        let read = peer("pacs=ORTHANC@10.0.0.5:4242").unwrap();
        assert_eq!(
            (read.name.as_str(), read.ae_title.as_str()),
            ("pacs", "ORTHANC")
        );
        assert_eq!((read.host.as_str(), read.port), ("10.0.0.5", 4242));
        for wrong in [
            "ORTHANC@10.0.0.5:4242",
            "pacs=ORTHANC",
            "=A@b:1",
            "p=@b:1",
            "p=A@b",
        ] {
            assert!(peer(wrong).is_err(), "{wrong}");
        }
    }
}
