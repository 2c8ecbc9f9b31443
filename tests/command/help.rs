//! Every help text, so that the language of the commands can be reviewed in one place.

use crate::common::Workshop;

const COMMANDS: &[&[&str]] = &[
    &[],
    &["teacher-cache"],
    &["train-student"],
    &["sweep"],
    &["plan"],
    &["init"],
    &["demo"],
    &["evaluate"],
    &["compare"],
    &["predict"],
    &["export"],
    &["report"],
    &["runs"],
    &["runs", "ls"],
    &["runs", "show"],
    &["runs", "tag"],
    &["runs", "import"],
    &["runs", "rm"],
    &["cache"],
    &["cache", "ls"],
    &["cache", "inspect"],
    &["cache", "verify"],
    &["cache", "soften"],
    &["cache", "merge"],
    &["cache", "pack"],
    &["cache", "unpack"],
    &["cache", "upgrade"],
    &["cache", "rm"],
    &["data"],
    &["data", "inspect"],
    &["data", "synth"],
    &["doctor"],
    &["bench"],
    &["completions"],
];

#[test]
fn every_command_explains_itself() {
    let workshop = Workshop::new();
    for &command in COMMANDS {
        let help = workshop.done(&[command, &["--help"]].concat());
        let name = if command.is_empty() { "decant".to_owned() } else { command.join("-") };
        // An installed program has no checkout to send anyone to.
        for part in ["`make ", "docs/", "pipelines/", "examples/", "Makefile", ".py"] {
            assert!(!help.contains(part), "{name} says {part}");
        }
        insta::assert_snapshot!(name, help);
    }
}

#[test]
fn no_command_lacks_its_help_text_here() {
    let workshop = Workshop::new();
    for (group, depth) in [(&[][..], 0), (&["runs"][..], 1), (&["cache"][..], 1), (&["data"][..], 1)] {
        let help = workshop.done(&[group, &["--help"]].concat());
        let listed =
            help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        for name in listed
            .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
            .filter(|name| !name.is_empty())
        {
            let is_here = name == "help" || COMMANDS.iter().any(|command| command.get(depth) == Some(&name));
            assert!(is_here, "{group:?} {name}");
        }
    }
}
