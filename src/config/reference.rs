//! The reference of a pipeline file's keys, `docs/pipeline.md`, from their declarations.

use toml::Value;

use super::key::Role;
use super::keys::{Key, keys};
use super::kind::Kind;
use crate::encoding::Encoding;
use crate::loss::{Loss, Reads};

const HEAD: &str = "\
# The pipeline file

A pipeline file describes one experiment in TOML. It has the sections `[dataset]`, `[teacher]`, `[cache]`, `[student]`, `[train]` and `[sweep]`.
You can leave out every key, and you can set every key on the command line: `--set train.lr=3e-4`. Case does not matter in names, and `_` is the
same as `-`. Relative paths start at the working directory.

An unknown key is an error. A key that would do nothing is an error too: some keys are read only under a condition, which the table names.
The one exception: if an option of the command line makes a key of the file meaningless, the key is left out.
`--set train.optimizer=adamw`, for example, leaves out `train.momentum`.

\"The student learns from the teacher\" if `train.lambda` is above 0, `train.loss` is not `\"ce\"`, and `train.control` is not `\"labels-only\"`.

The last column says how a key affects a run:

| | |
| --- | --- |
| `result` | changes what the student learns |
| `teacher's term` | changes the distillation loss only; a student that learns from the labels only does not depend on it |
| `seed` | runs that differ only in the seed are one configuration |
| `machine`, `name` | changes no result |

`UPDATE_DOCS=1 cargo test --test library pipeline_reference` writes this page from the declarations in `src/config`.
";

/// The page, in Markdown.
pub fn reference() -> String {
    let mut parts = vec![HEAD.to_owned()];
    let mut section = None;
    for key in keys() {
        if section != Some(key.section()) {
            section = Some(key.section());
            let title = match key.section() {
                "" => "Outside of all sections".to_owned(),
                section => format!("`[{section}]`"),
            };
            parts.push(format!("\n## {title}\n\n| key | value | default | what it is | run |\n| --- | --- | --- | --- | --- |\n"));
        }
        parts.push(row(key));
    }
    parts.push("\n## Encodings\n\n`cache.encoding` is one of these.\n\n".to_owned());
    parts.push(
        "| encoding | what it stores | columns of logits and targets |\n| --- | --- | --- |\n".to_owned(),
    );
    for encoding in Encoding::all() {
        let columns = encoding.value_columns(1, &[1.0]).into_iter();
        let columns: Vec<String> = columns.map(|column| format!("`{}`", column.name)).collect();
        let columns = columns.join(", ").replace("_t1", "_t<T>");
        parts.push(format!("| `{}` | {} | {columns} |\n", encoding.name(), cell(encoding.codec().about())));
    }
    parts.push(
        "\n## Losses\n\n`train.loss` is one of these; the last column says what each reads of the cache.\n\n"
            .to_owned(),
    );
    parts.push("| loss | what it is | formula | reads |\n| --- | --- | --- | --- |\n".to_owned());
    for loss in Loss::ALL {
        let declaration = loss.declaration();
        let defaults: Vec<f32> = declaration.parameters.iter().map(|parameter| parameter.default).collect();
        let reads = match declaration.reads {
            Reads::Nothing => "nothing",
            Reads::SoftTargets => "soft targets at `train.temperature`; the logits where it moves",
            Reads::Logits => "logits of every class",
        };
        let formula = (declaration.formula)(&defaults);
        parts.push(format!(
            "| `{}` | {} | `{}` | {reads} |\n",
            declaration.name,
            declaration.about,
            cell(&formula)
        ));
    }
    parts.concat()
}

fn row(key: &Key) -> String {
    let name = key.name.strip_prefix(key.section()).unwrap_or(key.name).trim_start_matches('.');
    let default = match key.default() {
        Some(Value::Table(table)) if table.is_empty() => String::new(),
        Some(Value::String(text)) if text.is_empty() => String::new(),
        Some(value) => format!("`{}`", cell(&number(&value))),
        None => String::new(),
    };
    // The head of the page defines the longest condition.
    let short = |text: &'static str| text.split_once(": train.lambda above").map_or(text, |(short, _)| short);
    let readers: Vec<&str> = key.readers().iter().map(|reader| short(reader.text)).collect();
    let about = match readers.join(" and ") {
        readers if readers.is_empty() => key.about.to_owned(),
        readers => format!("{}. Read only {readers}", key.about),
    };
    let role = match key.role {
        Role::Decides => "result",
        Role::TeacherTerm => "teacher's term",
        Role::Seed => "seed",
        Role::Machine => "machine",
        Role::Name => "name",
    };
    format!(
        "| `{name}` | {} | {default} | {} | {role} |\n",
        cell(&values(&key.kind)),
        cell(&about).replace('<', "&lt;")
    )
}

/// The values of a key; names as they are written.
fn values(kind: &Kind) -> String {
    match kind {
        Kind::OneOf(names) => names.iter().map(|name| format!("`\"{name}\"`")).collect::<Vec<_>>().join(", "),
        kind => kind.expected(),
    }
}

/// A default as people write it: `5e-5`, not `0.00005`.
fn number(value: &Value) -> String {
    match value {
        Value::Float(number) if *number != 0.0 && number.abs() < 1e-3 => format!("{number:e}"),
        value => value.to_string(),
    }
}

/// Text that may stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
