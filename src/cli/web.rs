//! `irisnode web`: who may see and act on the status page.

use super::config_arg::ConfigArg;
use super::table::table;
use crate::users::{Role, Users};
use miette::{IntoDiagnostic, miette};
use std::io::{BufRead, IsTerminal};
use std::os::unix::fs::DirBuilderExt;

const EXAMPLES: &str = "\
Examples:
  irisnode web user add ada --role admin --config irisnode.toml
  irisnode web user list
  irisnode web user remove ada";

/// Keep the users of the status page.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add, list and remove users.
    #[command(after_help = EXAMPLES)]
    User {
        #[command(subcommand)]
        command: User,
    },
}

#[derive(Debug, clap::Subcommand)]
enum User {
    /// Add a user, or give one another role and password. The password is asked for, or read from a pipe.
    #[command(after_help = "Examples:
  irisnode web user add ada --role admin --config irisnode.toml
  pass show irisnode | irisnode web user add ada --role viewer

A viewer sees pictures and patients' names; an admin acts too. As soon as there is one user, the pages ask who is there.")]
    Add {
        /// The name to sign in by.
        name: String,
        /// What the user may do.
        #[arg(long, value_enum)]
        role: Role,
    },
    /// List the users.
    #[command(after_help = "Examples:\n  irisnode web user list --config irisnode.toml")]
    List,
    /// Remove a user; open sessions end at once.
    #[command(after_help = "Examples:\n  irisnode web user remove ada --config irisnode.toml")]
    Remove {
        /// The name.
        name: String,
    },
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let config = args.config.read()?.into_config();
    let path = &config.web.users;
    let mut users = Users::read(path).into_diagnostic()?;
    let Command::User { command } = args.command;
    match command {
        User::Add { name, role } => {
            let password = password()?;
            let was_there = users.named(&name).is_some();
            users.set(&name, role, &password).into_diagnostic()?;
            if let Some(folder) = path.parent() {
                // It may be the data folder, before the node has made it: patients' images will lie there.
                let mut private = std::fs::DirBuilder::new();
                private.recursive(true).mode(0o700);
                private.create(folder).into_diagnostic()?;
            }
            users.write(path).into_diagnostic()?;
            let done = if was_there { "changed" } else { "added" };
            println!("User `{name}` is {done}, as {}.", role.name());
            if config.web.listen.is_none() {
                println!("[web] has no listen in the configuration: there is no page yet.");
            }
        }
        User::List => {
            let rows: Vec<Vec<String>> = users
                .all()
                .iter()
                .map(|user| vec![user.name.clone(), user.role.name().to_owned()])
                .collect();
            if rows.is_empty() {
                println!(
                    "There is no user: the page is open to this machine, and shows no patient."
                );
            } else {
                print!("{}", table(&["user", "role"], &rows));
            }
        }
        User::Remove { name } => {
            if !users.remove(&name) {
                return Err(miette!(
                    help = "`irisnode web user list` shows them",
                    "there is no user `{name}`"
                ));
            }
            users.write(path).into_diagnostic()?;
            println!("User `{name}` is removed.");
        }
    }
    Ok(())
}

/// Asks at a terminal, without showing what is typed; else the first line of what is piped in.
fn password() -> miette::Result<String> {
    if std::io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Password: ").into_diagnostic()?;
        let again = rpassword::prompt_password("Once more: ").into_diagnostic()?;
        if first != again {
            return Err(miette!("the two passwords differ; nothing is changed"));
        }
        return Ok(first);
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .into_diagnostic()?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
