//! The commands: one file each, with its arguments and its `run`.

mod bench;
mod cache;
mod compare;
mod completions;
mod compression;
mod data;
mod demo;
mod doctor;
mod epoch_table;
mod error;
mod evaluate;
mod export;
mod init;
mod interrupt;
mod live;
mod measures;
mod model;
mod output;
mod pipeline;
mod plan;
mod predict;
mod recipe_line;
mod report;
mod run_header;
mod runs;
mod style;
mod sweep;
mod teacher_cache;
mod terminal;
mod threads;
mod train_student;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use error::Failure;

use crate::support::context::Cancel;
use terminal::Terminal;

/// Distil an image classifier offline: run the teacher once, train students from its cache.
#[derive(Parser)]
#[command(name = "decant", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// Colour errors, warnings and the best: auto, always or never; auto obeys NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide = true)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Begin with:
  decant teacher-cache -p leaves.toml   stage one: run the teacher once
  decant train-student -p leaves.toml   stage two: train a student from what it said
  decant sweep -p leaves-sweep.toml     stage two, over temperatures, weights and seeds

Exit codes: 0 done, 1 the run failed, 2 bad usage or input that does not match,
3 stored data is damaged, 130 interrupted with the state saved.";

#[derive(Subcommand)]
enum Command {
    Init(init::Args),
    TeacherCache(teacher_cache::Args),
    TrainStudent(train_student::Args),
    Sweep(sweep::Args),
    Plan(plan::Args),
    Demo(demo::Args),
    Evaluate(evaluate::Args),
    Compare(compare::Args),
    Predict(predict::Args),
    Export(export::Args),
    Report(report::Args),
    Runs(runs::Args),
    Cache(cache::Args),
    Data(data::Args),
    Doctor(doctor::Args),
    Bench(bench::Args),
    Completions(completions::Args),
}

/// Prints the help that was asked for, or what is wrong with the arguments, and ends the process.
fn leave(error: &clap::Error) -> ! {
    match error.print() {
        Err(failed) if !error.use_stderr() => output::no_room(&failed),
        _ => std::process::exit(error.exit_code()),
    }
}

impl Cli {
    /// Reads the command line; what is wrong with it, or asked of it such as `--help`, is printed and ends the process.
    pub fn read() -> Self {
        let choice =
            colour_of(std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()));
        output::colour(choice);
        let matches = Self::command().color(choice).try_get_matches().unwrap_or_else(|error| leave(&error));
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Runs the command.
    ///
    /// # Errors
    /// The error, in one sentence, with its exit code.
    pub fn run(self) -> Result<(), Failure> {
        output::colour(self.color);
        threads::start()?;
        let cancel = Cancel::default();
        interrupt::install(cancel.clone());
        let context = Terminal::context(cancel);
        match self.command {
            Command::Init(args) => init::run(args, &context),
            Command::TeacherCache(args) => teacher_cache::run(args, &context),
            Command::TrainStudent(args) => train_student::run(args, &context),
            Command::Sweep(args) => sweep::run(args, &context),
            Command::Plan(args) => plan::run(args, &context),
            Command::Demo(args) => demo::run(args, &context),
            Command::Evaluate(args) => evaluate::run(args, &context),
            Command::Compare(args) => compare::run(args),
            Command::Predict(args) => predict::run(args, &context),
            Command::Export(args) => export::run(args),
            Command::Report(args) => report::run(args, &context),
            Command::Runs(args) => runs::run(args),
            Command::Cache(args) => cache::run(args, &context),
            Command::Data(args) => data::run(args, &context),
            Command::Doctor(args) => doctor::run(args, &context),
            Command::Bench(args) => bench::run(args, &context),
            Command::Completions(args) => {
                completions::run(&args);
                Ok(())
            }
        }
    }
}

/// The value of `--color`, before the command line is read: its errors have colours as well.
fn colour_of(arguments: impl Iterator<Item = String>) -> ColorChoice {
    let mut arguments = arguments.take_while(|argument| argument != "--");
    let mut found = ColorChoice::Auto;
    while let Some(argument) = arguments.next() {
        let value = match argument.strip_prefix("--color") {
            Some("") => arguments.next(),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        found = value.and_then(|value| value.parse().ok()).unwrap_or(found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_of_colour_is_known_before_the_command_line_is_read() {
        let of = |line: &str| colour_of(line.split(' ').map(str::to_owned));
        assert_eq!(of("runs ls"), ColorChoice::Auto);
        assert_eq!(of("runs --color never ls"), ColorChoice::Never);
        assert_eq!(of("--color=always nonsense"), ColorChoice::Always);
        assert_eq!(of("--color sometimes"), ColorChoice::Auto);
        assert_eq!(of("predict -- --color never"), ColorChoice::Auto);
    }

    #[test]
    fn the_arguments_of_every_command_are_consistent() {
        Cli::command().debug_assert();
    }
}
