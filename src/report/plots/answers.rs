//! Answers against labels, and the soft targets.

use crate::report::Contents;
use crate::report::chart::{Calibration, Cell, Chart, Heat, Line, Lines, Plot, Series};
use crate::report::reliability;
use crate::report::teacher::Teacher;
use crate::support::confusion::Confusion;
use crate::support::text::percent;

/// A matrix of more classes has cells too small to read, and is shown as a list.
pub(crate) const MOST_CLASSES: usize = 25;

/// Labels by predictions; none where there is nothing to count, or no place for it.
pub(crate) fn confusion(
    name: &'static str,
    title: String,
    confusion: &Confusion,
    classes: &[String],
) -> Option<Chart> {
    let (all, right) = (confusion.labelled(), confusion.correct());
    if classes.len() > MOST_CLASSES || all == 0 {
        return None;
    }
    let counts = confusion.rows();
    let cells = counts.iter().map(|row| {
        let labelled: u64 = row.iter().sum();
        let cell = |&count: &u64| {
            let depth = count as f64 / labelled.max(1) as f64;
            let lines = if classes.len() > 10 || labelled == 0 {
                vec![count.to_string()]
            } else {
                vec![count.to_string(), format!("{:.0} %", 100.0 * depth)]
            };
            Some(Cell { depth, lines })
        };
        row.iter().map(cell).collect()
    });
    let worst = confusion.mistakes().into_iter().next().map_or(String::new(), |(count, label, said)| {
        format!(" Most often {} is taken for {}: {count} times.", classes[label], classes[said])
    });
    Some(Chart {
        name,
        alt: format!("{title}: {right} of {all} images are right.{worst}"),
        title,
        plot: Plot::Heat(Heat {
            rows_title: "label".to_owned(),
            columns_title: "predicted".to_owned(),
            rows: classes.to_vec(),
            columns: classes.to_vec(),
            cells: cells.collect(),
            framed: None,
        }),
    })
}

/// The student's diagram with the teacher's marks, or the teacher's only.
pub(crate) fn reliability_diagram(contents: &Contents) -> Chart {
    let teacher = contents.teacher.as_ref();
    let of_teacher = teacher.map(|teacher| teacher.reliability.clone());
    let (who, split, bins, other) = if let Some(student) = &contents.student {
        let other = of_teacher.map(|bins| ("teacher".to_owned(), bins));
        ("student", &*student.split, student.reliability.clone(), other)
    } else {
        let split = teacher.map_or("", |teacher| &*teacher.measured);
        ("teacher", split, of_teacher.unwrap_or_default(), None)
    };
    let error = reliability::calibration_error(&bins);
    let theirs = other.as_ref().map_or(String::new(), |(_, bins)| {
        format!("; the teacher's is {}", percent(reliability::calibration_error(bins)))
    });
    Chart {
        name: "reliability",
        title: format!("Reliability of the {who} on {split}"),
        alt: format!(
            "How often the {who}'s answers of each confidence are right, in 15 bins. Its expected calibration error is {}{theirs}.",
            percent(error)
        ),
        plot: Plot::Calibration(Calibration { name: who.to_owned(), bins, other }),
    }
}

/// How much the soft targets say, by temperature.
pub(crate) fn entropy(teacher: &Teacher, classes: usize) -> Option<Chart> {
    let most = (classes.max(1) as f64).ln();
    let temperatures = || teacher.splits.first().into_iter().flat_map(|split| &split.entropies);
    let (first, last) = (temperatures().next()?, temperatures().last()?);
    let ends = [first, last].map(|entropy| f64::from(entropy.temperature));
    let mut series = vec![Series {
        name: Some(format!("all {classes} classes alike")),
        points: ends.iter().map(|&temperature| (temperature, most)).collect(),
        colour: 3,
        line: Line::Dashed,
    }];
    for (index, split) in teacher.splits.iter().enumerate() {
        let points =
            split.entropies.iter().map(|entropy| (f64::from(entropy.temperature), entropy.mean_nats));
        let points = points.collect();
        series.push(Series { name: Some(split.name.clone()), points, colour: index, line: Line::Marked });
    }
    let said = teacher.splits.iter().map(|split| {
        let values = split
            .entropies
            .iter()
            .map(|entropy| format!("{:.3} at T = {}", entropy.mean_nats, entropy.temperature));
        format!("{}: {}", split.name, values.collect::<Vec<_>>().join(", "))
    });
    Some(Chart {
        name: "entropy",
        title: "Entropy of the soft targets".to_owned(),
        alt: format!(
            "Mean entropy of the soft targets by temperature, in nats; {most:.3} says nothing, 0 is a hard label. {}.",
            said.collect::<Vec<_>>().join("; ")
        ),
        plot: Plot::Lines(Lines {
            x: "temperature".to_owned(),
            y: "nats".to_owned(),
            series,
            bounds: (Some(0.0), None),
        }),
    })
}
