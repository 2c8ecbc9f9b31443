//! The table of configurations that `compare` and `sweep` print.

use super::compare::Probability;
use super::{Gain, Spread};
use crate::support::table::Table;
use crate::train::metrics::Criterion;

/// One configuration as a row.
pub(crate) struct Standing<'a> {
    /// Its name, such as `lambda=0.9 T=5`.
    pub name: String,
    /// How many of its runs are finished.
    pub seeds: usize,
    /// The measure on validation.
    pub validation: &'a Spread,
    /// The measure on test, where every run has it.
    pub test: Option<&'a Spread>,
    /// Accuracy against the labels only, seed by seed.
    pub gain: Option<&'a Gain>,
}

/// The table of these configurations, in their order. The last row is the teacher's: its accuracy on validation and test in percent.
pub(crate) fn table<'a>(
    standings: impl IntoIterator<Item = Standing<'a>>,
    teacher: Option<[String; 2]>,
) -> Table {
    let mut table =
        Table::new(["configuration", "seeds", "validation", "test", "gain", "95 % interval", "p"])
            .with_whole_names();
    let dash = || "-".to_owned();
    for Standing { name, seeds, validation, test, gain } in standings {
        let gain = gain.map(|gain| &gain.comparison);
        let points = gain.and_then(|gain| gain.accuracy.as_ref());
        let interval = gain.and_then(|gain| Some(interval(gain.paired?.ci)));
        let p = gain.and_then(|gain| Some(gain.corrected.map_or(gain.paired?.p, |one| one.p)));
        table.row([
            name,
            seeds.to_string(),
            validation.percents(),
            test.map_or_else(dash, Spread::percents),
            points.map_or_else(dash, |points| format!("{:+.1}", 100.0 * points.mean)),
            interval.unwrap_or_else(dash),
            p.map_or_else(dash, |p| Probability(p).to_string()),
        ]);
    }
    if let Some([validation, test]) = teacher {
        table.row(["teacher".to_owned(), dash(), validation, test, dash(), dash(), dash()]);
    }
    table
}

/// The lines below the table that explain its columns.
pub(crate) fn legend(measure: Criterion, has_gain: bool) -> String {
    let mut out =
        format!("validation, test: {} in %, mean ± standard deviation over the seeds\n", measure.name());
    if has_gain {
        out += "gain: points of accuracy over the labels only, seed by seed; p: paired t-test, corrected (Holm)\n";
    }
    out
}

/// An interval in points, without the digits of one that says little.
fn interval(ends: [f64; 2]) -> String {
    let [low, high] = ends.map(|end| 100.0 * end);
    if low.abs().max(high.abs()) < 10.0 {
        format!("{low:+.1} to {high:+.1}")
    } else {
        format!("{low:+.0} to {high:+.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Comparison;

    fn shown(names: [&str; 2], width: usize) -> String {
        let scratch = [(0, 0.700), (1, 0.712), (2, 0.693)];
        let taught = [(0, 0.741), (1, 0.733), (2, 0.752)];
        let gain = Gain { split: "test", comparison: Comparison::new(&taught, &scratch, 128) };
        let spread = |runs: [(u64, f64); 3]| Spread::of(runs.iter().map(|run| run.1).collect()).unwrap();
        let (scratch, taught) = (spread(scratch), spread(taught));
        let standing = |name: &str, spread, gain| Standing {
            name: name.to_owned(),
            seeds: 3,
            validation: spread,
            test: Some(spread),
            gain,
        };
        let standings = [standing(names[0], &taught, Some(&gain)), standing(names[1], &scratch, None)];
        table(standings, Some(["97.0".to_owned(), "96.1".to_owned()])).fitted(width)
    }

    #[test]
    fn short_names_stand_beside_their_numbers_in_80_columns() {
        insta::assert_snapshot!(shown(["lambda=0.9 T=5", "lambda=0"], 80), @r"
        configuration   seeds  validation        test  gain  95 % interval      p
        lambda=0.9 T=5      3  74.2 ± 1.0  74.2 ± 1.0  +4.0   -0.7 to +8.8  0.067
        lambda=0            3  70.2 ± 1.0  70.2 ± 1.0     -              -      -
        teacher             -        97.0        96.1     -              -      -
        ");
    }

    #[test]
    fn names_that_have_no_place_beside_their_numbers_stand_above_them_whole() {
        let names = ["lambda=0.9 T=5 lr=0.002 student.dropout=0.2", "lambda=0 lr=0.002 student.dropout=0.2"];
        let fitted = shown(names, 60);
        insta::assert_snapshot!(fitted, @r"
        configuration
          seeds  validation        test  gain  95 % interval      p
        lambda=0.9 T=5 lr=0.002 student.dropout=0.2
              3  74.2 ± 1.0  74.2 ± 1.0  +4.0   -0.7 to +8.8  0.067
        lambda=0 lr=0.002 student.dropout=0.2
              3  70.2 ± 1.0  70.2 ± 1.0     -              -      -
        teacher
              -        97.0        96.1     -              -      -
        ");
        assert!(fitted.lines().all(|line| line.chars().count() <= 60), "{fitted}");
        let narrow = shown(names, 45);
        insta::assert_snapshot!(narrow, @r"
        configuration
          seeds  validation        test  gain
                  95 %
              interval      p
        lambda=0.9 T=5 lr=0.002 student.dropout=0.2
              3  74.2 ± 1.0  74.2 ± 1.0  +4.0
          -0.7 to +8.8  0.067
        lambda=0 lr=0.002 student.dropout=0.2
              3  70.2 ± 1.0  70.2 ± 1.0     -
                     -      -
        teacher
              -        97.0        96.1     -
                     -      -
        ");
        assert!(narrow.lines().all(|line| line.chars().count() <= 45), "{narrow}");
    }
}
