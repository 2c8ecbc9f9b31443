//! What commands show on a terminal, in a pipe and on a dumb terminal. A pseudo-terminal stands for the person's.

#![expect(unsafe_code, reason = "opens a pseudo-terminal and changes its size")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::common::{TINY, Workshop};

const ROWS: u16 = 30;
const RED: &str = "\u{1b}[1;31mdecant:";

/// A command on a terminal of its own.
struct Person {
    child: Child,
    terminal: File,
    output: Receiver<Vec<u8>>,
    /// Everything that was written so far.
    written: Vec<u8>,
}

fn size(columns: u16) -> libc::winsize {
    libc::winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Person {
    fn at(columns: u16, command: &mut Command) -> Self {
        let (mut master, mut slave) = (0, 0);
        let mut size = size(columns);
        // SAFETY: both descriptors and the size live until the call ends; no name and no modes are asked for.
        let opened = unsafe {
            libc::openpty(
                &raw mut master,
                &raw mut slave,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                &raw mut size,
            )
        };
        assert_eq!(opened, 0, "there is a pseudo-terminal");
        // SAFETY: openpty gave both, and nothing else holds them.
        let (master, slave) = unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        let end = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end());
        if command.get_envs().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm-256color");
        }
        command.env_remove("CI");
        let child = command.spawn().unwrap();
        drop(slave);
        let terminal = File::from(master);
        let mut reader = terminal.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, terminal, output, written: Vec::new() }
    }

    fn resize(&self, columns: u16) {
        let size = size(columns);
        // SAFETY: the terminal is open, and the size lives until the call ends.
        assert_eq!(unsafe { libc::ioctl(self.terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }, 0);
    }

    /// Looks for this long, and gives what was written meanwhile.
    fn watch(&mut self, time: Duration) -> Vec<u8> {
        let (until, before) = (Instant::now() + time, self.written.len());
        while let Ok(bytes) = self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.written.extend(bytes);
        }
        self.written[before..].to_vec()
    }

    /// Looks until the command ends, and gives everything that it wrote.
    fn everything(mut self) -> Vec<u8> {
        self.child.wait().unwrap();
        self.watch(Duration::from_millis(300));
        self.written
    }
}

/// What a terminal of this width shows in the end, as far as decant's own control sequences go.
fn screen(columns: u16, written: &[u8]) -> String {
    let (mut rows, mut row, mut column): (Vec<Vec<char>>, usize, usize) = (vec![Vec::new()], 0, 0);
    let text = String::from_utf8_lossy(written).into_owned();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                let sequence = sequence(&mut letters);
                let count = sequence.trim_end_matches(char::is_alphabetic).parse().unwrap_or(1);
                match sequence.chars().last() {
                    Some('A') => row = row.saturating_sub(count),
                    Some('K') => rows[row].truncate(column),
                    Some('J') => {
                        rows[row].truncate(column);
                        rows.truncate(row + 1);
                    }
                    _ => {}
                }
            }
            letter => {
                if column == usize::from(columns) {
                    (row, column) = (row + 1, 0);
                }
                if rows.len() <= row {
                    rows.resize(row + 1, Vec::new());
                }
                let line = &mut rows[row];
                if line.len() <= column {
                    line.resize(column + 1, ' ');
                }
                line[column] = letter;
                column += 1;
            }
        }
        if rows.len() <= row {
            rows.resize(row + 1, Vec::new());
        }
    }
    rows.into_iter().map(|row| row.into_iter().collect::<String>()).collect::<Vec<_>>().join("\n")
}

/// The rest of a control sequence after its escape: `[2A`.
fn sequence(letters: &mut std::str::Chars<'_>) -> String {
    let mut found = String::new();
    for letter in letters {
        if letter != '[' {
            found.push(letter);
        }
        if letter.is_alphabetic() {
            break;
        }
    }
    found
}

/// The lines of progress that were drawn: from a carriage return to what clears the rest of the line.
fn drawn(written: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(written).into_owned();
    let frames = text.split("\u{1b}[K").filter_map(|frame| frame.rsplit('\r').next());
    frames.filter(|frame| frame.contains(" steps")).map(str::to_owned).collect()
}

fn workshop(epochs: usize) -> Workshop {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", &TINY.replace("epochs = 3", &format!("epochs = {epochs}")));
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    workshop
}

#[test]
fn a_run_on_a_terminal_leaves_its_table_and_no_progress_and_no_line_is_broken() {
    let workshop = workshop(4);
    for (columns, dir) in [(100, "a"), (80, "b"), (60, "c"), (45, "d")] {
        let mut command = workshop.decant();
        command.args(["train-student", "-p", "tiny.toml", "--runs-dir", dir]);
        let written = Person::at(columns, &mut command).everything();
        let shown = screen(columns, &written);
        for epoch in 1..=4 {
            assert_eq!(shown.matches(&format!("  {epoch}/4 ")).count(), 1, "{shown}");
        }
        assert!(!shown.contains(" steps,"), "{shown}");
        // Words are whole: the names of the classes are where the head was too long for one line.
        for name in ["angular_leaf_spot", "bean_rust", "healthy", "agreement"] {
            assert!(shown.contains(name), "{name} is broken in {shown}");
        }
        // No line ran over the edge: the terminal would have joined it with the next.
        let text = String::from_utf8_lossy(&written).replace("\r\n", "\n");
        for line in text.lines().map(plain) {
            let last = line.rsplit('\r').next().unwrap_or("").chars().count();
            assert!(last <= usize::from(columns) || !line.contains(' '), "{last}: {line}");
        }
        assert!(drawn(&written).iter().all(|line| line.chars().count() < usize::from(columns)));
    }
}

/// A line without its colours.
fn plain(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(['m', 'K', 'A', 'J']).map_or("", |(_, rest)| rest))
}

#[test]
fn the_tables_of_a_sweep_and_of_compare_have_whole_names_and_the_interval_at_any_width() {
    let workshop = Workshop::new();
    let axes = "[sweep]\ntrain.lambda = [0.0, 0.5]\ntrain.lr = [1e-3]\ntrain.weight-decay = [0.0, 0.05]\ntrain.seed = [0, 1]\n";
    let head = "name = \"tables\"\n";
    workshop.file("sweep.toml", &format!("{head}{}{axes}", TINY.replace("epochs = 3", "epochs = 1")));
    workshop.done(&["teacher-cache", "-p", "sweep.toml"]);
    workshop.done(&["sweep", "-p", "sweep.toml"]);
    let folder = workshop.only("sweeps", "tables-").display().to_string();
    for columns in [80, 60, 45] {
        let commands = [
            (vec!["sweep", "-p", "sweep.toml"], "lambda=0.5 lr=0.001 weight-decay=0.05"),
            (vec!["compare", folder.as_str()], "labels only, weight-decay=0\n"),
        ];
        for (args, name) in commands {
            let mut command = workshop.decant();
            command.args(&args);
            let shown = screen(columns, &Person::at(columns, &mut command).everything());
            let is_head = |line: &str| line.contains("interval") && line.ends_with(" p");
            assert!(shown.lines().any(is_head), "{shown}");
            assert!(shown.contains(name), "{shown}");
            // What was wider would go on in the first column of the next line, in the middle of a word.
            let text = String::from_utf8_lossy(&Person::at(columns, &mut command).everything())
                .replace("\r\n", "\n");
            for line in text.lines().map(plain) {
                assert!(
                    line.chars().count() <= usize::from(columns) || !line.contains(' '),
                    "{columns}: {line}"
                );
            }
        }
    }
}

#[test]
fn the_line_of_progress_follows_the_terminals_width() {
    let workshop = workshop(2000);
    let mut command = workshop.decant();
    command.args(["train-student", "-p", "tiny.toml"]);
    let mut person = Person::at(120, &mut command);
    let until = Instant::now() + Duration::from_mins(1);
    while drawn(&person.written).len() < 5 {
        person.watch(Duration::from_millis(200));
        assert!(Instant::now() < until, "{}", String::from_utf8_lossy(&person.written));
    }
    for columns in [45, 120, 60] {
        person.resize(columns);
        // What was on its way when the size changed.
        person.watch(Duration::from_millis(400));
        let lines = drawn(&person.watch(Duration::from_millis(1500)));
        assert!(!lines.is_empty());
        assert!(lines.iter().all(|line| line.chars().count() < usize::from(columns)), "{columns}: {lines:?}");
        // Before the first step of an epoch nothing is known of the time.
        assert!(lines.iter().any(|line| line.contains(" left") || columns < 60), "{lines:?}");
    }
    person.child.kill().unwrap();
    person.everything();
}

#[test]
fn errors_and_warnings_are_coloured_where_a_person_reads_them() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    let on_a_terminal = |args: &[&str], environment: &[(&str, &str)]| {
        let mut command = workshop.decant();
        command.args(args).envs(environment.iter().copied()).env_remove("NO_COLOR");
        for (name, value) in environment {
            command.env(name, value);
        }
        String::from_utf8(Person::at(80, &mut command).everything()).unwrap()
    };
    let wrong = ["runs", "show", "nothing"];
    assert!(on_a_terminal(&wrong, &[]).contains(RED));
    assert!(!on_a_terminal(&wrong, &[("NO_COLOR", "1")]).contains('\u{1b}'));
    assert!(!on_a_terminal(&wrong, &[("TERM", "dumb")]).contains('\u{1b}'));
    assert!(!on_a_terminal(&["--color", "never", "runs", "show", "nothing"], &[]).contains('\u{1b}'));
    assert!(
        on_a_terminal(&["--color=always", "runs", "show", "nothing"], &[("NO_COLOR", "1")]).contains(RED)
    );
    // In a pipe only where it is asked for.
    assert!(workshop.refused(&wrong).1.starts_with("decant:"));
    assert!(workshop.refused(&["runs", "show", "nothing", "--color", "always"]).1.starts_with(RED));
}

#[test]
fn without_a_terminal_or_on_a_dumb_one_plain_lines_tell_how_a_sweep_goes() {
    let workshop = workshop(100_000);
    let axes = "[sweep]\ntrain.seed = [0, 1]\n";
    let tiny = TINY.replace("epochs = 3", "epochs = 100000");
    workshop.file("sweep.toml", &format!("name = \"tiny\"\n{tiny}{axes}"));
    let sweep = |dir: &str| {
        let mut command = workshop.decant();
        command.args(["sweep", "-p", "sweep.toml", "--runs-dir", dir]);
        command
    };
    let mut dumb = sweep("dumb");
    let mut person = Person::at(80, dumb.env("TERM", "dumb"));
    let mut piped = sweep("piped").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(piped.stderr.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().starts_with("sweep 0/2 runs")).unwrap().unwrap();
    assert!(line.contains("seed=0 ") && line.contains(" steps") && line.contains(" left"), "{line}");
    assert!(!line.contains('\u{1b}') && !line.contains('\r'));
    piped.kill().unwrap();
    piped.wait().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    let mut text = String::new();
    while !text.contains("sweep 0/2 runs") {
        person.watch(Duration::from_millis(500));
        text = String::from_utf8_lossy(&person.written).into_owned();
        assert!(Instant::now() < until, "{text}");
    }
    assert!(!text.contains('\u{1b}') && !text.replace("\r\n", "").contains('\r'), "{text}");
    person.child.kill().unwrap();
    person.everything();
}
