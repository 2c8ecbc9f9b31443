//! A summary as text: for the terminal, and as Markdown.

use std::fmt::Write;
use std::path::Path;

use super::axes::{Grid, Marginal};
use super::results::put;
use super::summary::{Best, Summary};
use super::{Error, Plan};
use crate::runs::Spread;
use crate::runs::compare::Probability;
use crate::runs::standings::{self, Standing};
use crate::store::TeacherQuality;
use crate::support::checksummed_json;
use crate::support::table::Table;
use crate::support::text::{count, number_or_dash, percent_or_dash};
use crate::train::metrics::Criterion;

/// Configurations that the terminal shows.
const SHOWN: usize = 12;

impl Summary {
    /// The tables for a terminal of `width` columns, or as wide as they are where there is none.
    pub(crate) fn tables(&self, width: Option<usize>) -> String {
        let fitted = |table: &Table| width.map_or_else(|| table.to_string(), |width| table.fitted(width));
        let standings = self.configurations.iter().take(SHOWN).map(|configuration| Standing {
            name: configuration.values.clone(),
            seeds: configuration.runs,
            validation: &configuration.validation,
            test: configuration.test.as_ref(),
            gain: configuration.gain.as_ref(),
        });
        let is_accuracy = !self.teacher.is_empty() && self.measure == Criterion::Accuracy;
        let teacher = is_accuracy.then(|| ["validation", "test"].map(|split| self.teacher_accuracy(split)));
        let mut out = fitted(&standings::table(standings, teacher));
        if self.configurations.len() > SHOWN {
            let _ = writeln!(out, "... and {} more in summary.md", self.configurations.len() - SHOWN);
        }
        let has_gain = self.configurations.iter().any(|configuration| configuration.gain.is_some());
        out += &standings::legend(self.measure, has_gain);
        if let Some(grid) = &self.grid {
            let _ = write!(
                out,
                "\n{} on {}, %, by temperature and lambda:\n{}",
                self.measure.name(),
                grid.split,
                fitted(&grid.table())
            );
        }
        out
    }

    /// The teacher's accuracy on a split in percent.
    fn teacher_accuracy(&self, split: &str) -> String {
        let quality = TeacherQuality::on(split, &self.teacher);
        quality.map_or("-".to_owned(), |quality| format!("{:.1}", 100.0 * quality.accuracy))
    }

    /// The best configuration and the run to take, in lines for a terminal.
    pub(crate) fn best_lines(&self) -> String {
        let Some(Best { values, validation, test, run }) = &self.best else { return String::new() };
        let on_test = test.as_ref().map_or(String::new(), |test| format!(", {} % on test", test.percents()));
        let mut out = format!(
            "best     {values}, the best mean on validation over its {}:\n         {} % on validation{on_test}\n",
            count(validation.runs, "seed"),
            validation.percents(),
        );
        let on_test =
            run.test.map_or(String::new(), |test| format!(", {} on test", percent_or_dash(Some(test))));
        let _ = writeln!(
            out,
            "export   {}, its best seed on validation ({}):\n         {} on validation{on_test}",
            run.run,
            run.seed,
            percent_or_dash(run.validation)
        );
        if let Some(verdict) = &self.verdict {
            let _ = writeln!(out, "verdict  {verdict}");
        }
        out
    }

    /// Writes `summary.md` and `summary.json`, which hold no time.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(crate) fn write(&self, folder: &Path, plan: &Plan) -> Result<(), Error> {
        put(&folder.join("summary.md"), self.markdown(plan).as_bytes())?;
        put(&folder.join("summary.json"), &checksummed_json::to_bytes(self))
    }

    fn markdown(&self, plan: &Plan) -> String {
        let manifest = plan.own.manifest();
        let mut out = format!("# {}\n\n", self.name);
        let _ = writeln!(
            out,
            "{} of {} runs are done; teacher {}, dataset {} ({}), cache {}.",
            self.done,
            self.runs,
            manifest.teacher.name,
            manifest.dataset.name,
            manifest.dataset.fingerprint.short(12),
            plan.own.complete().content.short(12),
        );
        out += &self.best_markdown();
        out += &self.configurations_markdown();
        if let Some(grid) = &self.grid {
            let (measure, split) = (self.measure.name(), grid.split);
            let _ = writeln!(
                out,
                "\n## Temperature and lambda\n\n{measure} on {split} in percent, over all else.\n"
            );
            out += &grid.markdown();
        }
        out += &self.gains_markdown();
        if !self.marginals.is_empty() {
            let _ = writeln!(
                out,
                "\n## Each axis\n\n{} in percent over every run that has the value.\n",
                self.measure.name()
            );
            out += "| axis | value | runs | validation | test |\n| --- | ---: | ---: | ---: | ---: |\n";
            for marginal in &self.marginals {
                let Marginal { axis, value, runs, validation, test } = marginal;
                let test = or_dash(test.as_ref());
                let _ = writeln!(out, "| {axis} | {value} | {runs} | {} | {test} |", validation.percents());
            }
        }
        if !self.failures.is_empty() {
            out += "\n## Failed\n\n";
            for (run, error) in &self.failures {
                let _ = writeln!(out, "- {run}: {error}");
            }
        }
        out
    }

    fn best_markdown(&self) -> String {
        let Some(Best { values, validation, test, run }) = &self.best else { return String::new() };
        let on_test = test.as_ref().map_or(String::new(), |test| format!(", {} % on test", test.percents()));
        format!(
            "\nBest configuration by its mean {} on validation: {values}, {} % on validation{on_test}. Test chose nothing.\n\
             \nThe run to export is its best seed on validation: `{}` (seed {}), {} on validation, {} on test.\n",
            self.measure.name(),
            validation.percents(),
            run.run,
            run.seed,
            percent_or_dash(run.validation),
            percent_or_dash(run.test)
        ) + &self.verdict.as_ref().map_or(String::new(), |verdict| format!("\nVerdict: {verdict}.\n"))
    }

    fn configurations_markdown(&self) -> String {
        let mut out = format!(
            "\n## Configurations\n\n{} in percent, mean ± sample standard deviation over the seeds, the best on validation first.\n\n",
            self.measure.name()
        );
        out += "| configuration | runs | validation | NLL | test |\n| --- | ---: | ---: | ---: | ---: |\n";
        for configuration in &self.configurations {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                configuration.values,
                configuration.runs,
                configuration.validation.percents(),
                number_or_dash(configuration.validation_nll),
                or_dash(configuration.test.as_ref())
            );
        }
        let of = |split: &str| self.teacher.iter().find(|quality| quality.split == split);
        if let (Some(validation), Criterion::Accuracy) = (of("validation"), self.measure) {
            let test = of("test").map_or("-".to_owned(), |test| format!("{:.1}", 100.0 * test.accuracy));
            let (accuracy, nll) = (100.0 * validation.accuracy, validation.nll);
            let _ = writeln!(out, "| teacher | - | {accuracy:.1} | {nll:.3} | {test} |");
        }
        out
    }

    fn gains_markdown(&self) -> String {
        let gains: Vec<_> =
            self.configurations.iter().filter_map(|one| Some((&one.values, one.gain.as_ref()?))).collect();
        if gains.is_empty() {
            return String::new();
        }
        let mut out = String::from(
            "\n## Gain over the labels only\n\nPoints of accuracy over lambda = 0, with the same seed and all else equal; p is that of the paired t-test, and corrected for the number of configurations by Holm's method.\n\n\
             | configuration | split | pairs | gain | 95 % interval | p | corrected p |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for (name, gain) in gains {
            let Some(points) = &gain.comparison.accuracy else { continue };
            let paired = gain.comparison.paired;
            let interval = paired.map_or("-".to_owned(), |paired| {
                format!("{:+.1} to {:+.1}", 100.0 * paired.ci[0], 100.0 * paired.ci[1])
            });
            let p = paired.map_or("-".to_owned(), |paired| Probability(paired.p).to_string());
            let corrected =
                gain.comparison.corrected.map_or_else(|| p.clone(), |one| Probability(one.p).to_string());
            let (mean, deviation) = (100.0 * points.mean, 100.0 * points.deviation);
            let _ = writeln!(
                out,
                "| {name} | {} | {} | {mean:+.1} ± {deviation:.1} | {interval} | {p} | {corrected} |",
                gain.split, gain.comparison.pairs
            );
        }
        out
    }
}

impl Grid {
    fn cells(cells: &[Option<Spread>]) -> impl Iterator<Item = String> {
        cells.iter().map(|cell| or_dash(cell.as_ref()))
    }

    fn table(&self) -> Table {
        let heads = self.temperatures.iter().map(|temperature| format!("T = {temperature}"));
        let mut table = Table::new([String::new()].into_iter().chain(heads));
        for (lambda, cells) in &self.rows {
            table.row([format!("lambda {lambda}")].into_iter().chain(Self::cells(cells)));
        }
        table
    }

    pub(super) fn markdown(&self) -> String {
        let mut out = String::from("| lambda |");
        for temperature in &self.temperatures {
            let _ = write!(out, " T = {temperature} |");
        }
        let _ = writeln!(out, "\n| --- |{}", " ---: |".repeat(self.temperatures.len()));
        for (lambda, cells) in &self.rows {
            let _ = writeln!(out, "| {lambda} | {} |", Self::cells(cells).collect::<Vec<_>>().join(" | "));
        }
        out
    }
}

fn or_dash(spread: Option<&Spread>) -> String {
    spread.map_or("-".to_owned(), Spread::percents)
}
