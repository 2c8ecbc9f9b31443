//! A plan for people, in 80 columns.

use crate::cli::output::{bytes, count, fitted, out, outln, percent, seconds};
use crate::config::Pipeline;
use crate::dataset::Dataset;
use crate::planning::{Cost, EncodingCost, PlannedCache};
use crate::support::table::Table;

/// Prints it.
pub(crate) fn print(cost: &Cost, cache: &PlannedCache, pipeline: &Pipeline, dataset: &Dataset) {
    outln!("plan  {}", pipeline.name);
    let splits: Vec<String> =
        dataset.splits.iter().map(|split| format!("{} {}", split.name, split.samples.len())).collect();
    outln!("  data     {}: {}; {} classes", dataset.name, splits.join(", "), dataset.classes.len());
    let state = match (cache.complete, cost.rows_left) {
        (true, _) => "complete".to_owned(),
        (false, left) if left == cost.rows => "not begun".to_owned(),
        (false, left) => format!("{left} rows to go"),
    };
    outln!("  cache    {} ({state})", cache.dir.display());
    outln!(
        "  rows     {}, {} of each train image, in {}",
        cost.rows,
        count(pipeline.cache.views.into(), "view"),
        count(cache.shards.len(), "shard")
    );
    print_times(cost);
    outln!();
    print_encodings(&cost.encodings);
}

fn print_times(cost: &Cost) {
    if let Some(stage_one) = &cost.stage_one {
        let source = match stage_one.measured_rows {
            0 => "as given".to_owned(),
            rows => format!("measured here on {rows} rows"),
        };
        outln!("  teacher  {:.1} views/s, {source}", stage_one.rows_per_second);
        let mut parts = vec![format!("{} cold", seconds(stage_one.cold_seconds))];
        if cost.rows_left < cost.rows {
            parts.push(format!("{} for what is left", seconds(stage_one.left_seconds)));
        }
        parts.extend(stage_one.warm_seconds.map(|warm| format!("{} warm", seconds(warm))));
        outln!("  stage 1  {}", parts.join(", "));
        if let Some(memory) = stage_one.memory_bytes {
            outln!("           about {} of memory at its peak", bytes(memory));
        }
    }
    let online = |of: Option<f64>| {
        of.map_or(String::new(), |online| format!("; {} with the teacher in every step", seconds(online)))
    };
    if let Some(student) = &cost.student {
        outln!(
            "  student  {} for {}{}",
            seconds(student.seconds),
            count(student.epochs, "epoch"),
            online(student.online_seconds)
        );
    }
    if let Some(sweep) = &cost.sweep {
        let time = sweep.seconds.map_or(String::new(), |time| format!(": {}", seconds(time)));
        outln!("  sweep    {}{time}{}", count(sweep.runs, "run"), online(sweep.online_seconds));
        if sweep.done > 0 {
            let left = sweep.left_seconds.map_or(String::new(), |left| format!(", {} left", seconds(left)));
            outln!("           {} done{left}", sweep.done);
        }
        if sweep.rungs_left > 0 {
            outln!("           and the runs of {}, known later", count(sweep.rungs_left, "rung"));
        }
    }
    let students = cost.student.as_ref().map_or(String::new(), |student| {
        format!(", which is {:.2} students", cost.pays_off_epochs / student.epochs as f64)
    });
    outln!("  pays off after {:.2} epochs of training{students}", cost.pays_off_epochs);
}

fn print_encodings(encodings: &[EncodingCost]) {
    let (level, temperature) =
        encodings.first().map_or((3, 1.0), |first| (first.zstd_level, first.temperature));
    let mut table = Table::new([
        "  encoding".to_owned(),
        "bytes".to_owned(),
        format!("zstd {level}"),
        format!("mean KL at T = {temperature}"),
        "mass kept".to_owned(),
    ]);
    for cost in encodings {
        table.row([
            format!("{} {}", if cost.chosen { "*" } else { " " }, cost.encoding),
            bytes(cost.bytes),
            cost.zstd_bytes.map_or("-".to_owned(), bytes),
            cost.mean_kl
                .map_or("-".to_owned(), |kl| if kl == 0.0 { "0".to_owned() } else { format!("{kl:.1e}") }),
            cost.mean_kept.map_or("-".to_owned(), percent),
        ]);
    }
    out!("{}", fitted(&table));
}
