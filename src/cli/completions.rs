//! `decant completions`: what a shell reads to complete commands and options.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;

/// Print completions for a shell.
///
/// For bash: decant completions bash > ~/.local/share/bash-completion/completions/decant
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "decant", &mut script);
    crate::cli::output::out!("{}", String::from_utf8_lossy(&script));
}
