//! The commands: one file each, with its arguments and its `run`.

mod cache;
mod compare;
mod completions;
mod data;
mod demo;
mod doctor;
mod error;
mod evaluate;
mod export;
mod init;
mod interrupt;
mod model;
mod output;
mod pipeline;
mod plan;
mod predict;
mod recipe_line;
mod report;
mod run_header;
mod runs;
mod sweep;
mod teacher_cache;
mod terminal;
mod train_student;

use clap::{Parser, Subcommand};

use crate::support::context::Cancel;
use terminal::Terminal;

pub use error::Failure;

/// Distil an image classifier offline: run the teacher once, train students from its cache.
#[derive(Parser)]
#[command(name = "decant", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
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
    Completions(completions::Args),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What went wrong, in one sentence, with its exit code.
    pub fn run(self) -> Result<(), Failure> {
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
            Command::Completions(args) => {
                completions::run(&args);
                Ok(())
            }
        }
    }
}
