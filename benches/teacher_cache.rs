//! Stage one against its ceiling: `decant teacher-cache` from image files to a committed cache, beside a bare loop of
//! `session.run` on tensors that lie ready, in the same ONNX Runtime with the same threads.
//!
//! ```sh
//! cargo bench --bench teacher_cache                                   # the embedded teacher on generated leaves (JPEG)
//! cargo bench --bench teacher_cache -- --model DIR --images DIR       # another teacher, an image folder of your own
//! ```
//!
//! Stage one runs as its defaults have it, sessions and batch included; `--set teacher.batch-size=16` and the like fix them.
//! The two run in turn, each in a process of its own; the ratio of a turn is stage one's images/s over the loop's, and medians
//! over turns are printed. Opening the model is in neither rate; hashing the dataset and the measurement behind `auto` are in
//! only `whole_seconds`, which is all of the process. `--one` runs one of the two and prints a line of JSON, as
//! `benches/peers/teacher_cache.py` has it.
//!
//! On CUDA the loop's tensors lie on the device and are bound to it, so that nothing is copied but the logits. Unmeasured so far.

#![expect(unsafe_code, reason = "asks the system what a process used")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::{Parser, ValueEnum};
use decant::teacher::runtime::Search;
use decant::view::Preprocess;
use half::f16;
use ort::environment::Environment;
use ort::ep::ExecutionProviderDispatch;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{IoBinding, Session};
use ort::value::{Tensor, TensorElementType};
use serde::{Deserialize, Serialize};

const DECANT: &str = env!("CARGO_BIN_EXE_decant");
const EMBEDDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/teachers/leaves");

#[derive(Parser)]
struct Args {
    /// A teacher's folder; the embedded one's unless given
    #[arg(long, default_value = EMBEDDED)]
    model: PathBuf,
    /// An image folder; generated leaves unless given
    #[arg(long)]
    images: Option<PathBuf>,
    /// Leaves that are generated, and images that the bare loop runs in a turn
    #[arg(long, default_value_t = 512)]
    count: usize,
    /// Images in a call of the bare loop; stage one's are its own affair
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Threads on the CPU; 0 takes every core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Sessions of the bare loop, which share the threads; stage one's are its own affair
    #[arg(long, default_value_t = 1)]
    sessions: usize,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    #[arg(long, default_value_t = 5)]
    turns: usize,
    /// More overrides for stage one, such as teacher.sessions=3
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Run one of the two and print a line of JSON
    #[arg(long, value_enum)]
    one: Option<Contender>,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Contender {
    Ceiling,
    StageOne,
}

#[derive(Serialize, Deserialize)]
struct Measured {
    images_per_second: f64,
    /// Of all threads, opening the model included for stage one; hardly moved by what else the machine does.
    cpu_ms_per_image: f64,
    /// From the start of the process to its end, opening the model included.
    whole_seconds: f64,
    /// The most memory that the process held.
    peak_mb: f64,
}

fn main() {
    let mut args = Args::parse();
    let made = tempfile::tempdir().expect("a folder for temporary files");
    if args.one != Some(Contender::Ceiling) && args.images.is_none() {
        args.images = Some(leaves(made.path(), args.count));
    }
    match args.one {
        Some(Contender::Ceiling) => print(&ceiling(&args)),
        Some(Contender::StageOne) => print(&stage_one(&args)),
        None => by_turns(&args),
    }
}

fn print(measured: &Measured) {
    println!("{}", serde_json::to_string(measured).expect("numbers"));
}

fn by_turns(args: &Args) {
    let mut turns = Vec::new();
    for _ in 0..args.turns {
        turns.push([Contender::StageOne, Contender::Ceiling].map(|contender| child(args, contender)));
    }
    let median = |of: &dyn Fn(&[Measured; 2]) -> f64| common::median(turns.iter().map(of).collect());
    println!("{}, batch {}, {} turns", args.model.display(), args.batch, args.turns);
    for (index, name) in ["decant teacher-cache", "bare session.run"].into_iter().enumerate() {
        println!(
            "  {name:22} {:8.1} images/s {:8.2} ms of CPU an image {:8.0} MB",
            median(&|turn| turn[index].images_per_second),
            median(&|turn| turn[index].cpu_ms_per_image),
            median(&|turn| turn[index].peak_mb)
        );
    }
    println!(
        "  of the ceiling         {:8.3}",
        median(&|turn| turn[0].images_per_second / turn[1].images_per_second)
    );
}

/// Runs this program again for one contender.
fn child(args: &Args, contender: Contender) -> Measured {
    let this = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(this);
    let name = contender.to_possible_value().expect("none is hidden").get_name().to_owned();
    command.args(["--one", &name, "--model"]).arg(&args.model).arg("--images").args(&args.images);
    command.args(["--count", &args.count.to_string(), "--batch", &args.batch.to_string()]);
    command.args(["--threads", &args.threads.to_string(), "--sessions", &args.sessions.to_string()]);
    command.args(["--device", &args.device]);
    command.args(args.set.iter().flat_map(|set| ["--set", set]));
    serde_json::from_slice(&output(&mut command)).expect("a line of JSON")
}

/// An image folder of `count` generated leaves, nine in ten to train on.
fn leaves(folder: &Path, count: usize) -> PathBuf {
    let images = folder.join("leaves");
    let few = (count / 20).max(3);
    let train = count.saturating_sub(2 * few).max(3);
    let mut command = Command::new(DECANT);
    command.args(["data", "synth", "--train", &train.to_string()]);
    command.args(["--validation", &few.to_string(), "--test", &few.to_string(), "--out"]).arg(&images);
    output(&mut command);
    images
}

/// What the program wrote, which must have succeeded.
fn output(command: &mut Command) -> Vec<u8> {
    let output = command.stderr(Stdio::inherit()).output().expect("the program is there");
    assert!(output.status.success(), "{command:?} ended with {}", output.status);
    output.stdout
}

/// The whole of stage one by the program itself, into a cache that is thrown away.
fn stage_one(args: &Args) -> Measured {
    #[derive(Deserialize)]
    struct Report {
        complete: bool,
        images: u64,
        seconds: f64,
    }
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let pipeline = folder.path().join("bench.toml");
    std::fs::write(&pipeline, "").expect("a file of our own");
    let images = args.images.as_ref().expect("given or generated");
    let started = Instant::now();
    let mut command = Command::new(DECANT);
    command.args(["teacher-cache", "--json", "-p"]).arg(&pipeline).arg("--cache-dir").arg(folder.path());
    let mut sets = vec![
        format!("dataset.source={}", images.display()),
        format!("teacher.model={}", args.model.display()),
        format!("teacher.device={}", args.device),
    ];
    if ![0, cores()].contains(&args.threads) {
        sets.push(format!("teacher.threads={}", args.threads));
    }
    command.args(sets.iter().chain(&args.set).flat_map(|set| ["--set", set]));
    let report: Report = serde_json::from_slice(&output(&mut command)).expect("the report of teacher-cache");
    assert!(report.complete, "the cache is not complete");
    let used = used(libc::RUSAGE_CHILDREN);
    Measured {
        images_per_second: report.images as f64 / report.seconds,
        cpu_ms_per_image: used.cpu_ms / report.images as f64,
        whole_seconds: started.elapsed().as_secs_f64(),
        peak_mb: used.peak_mb,
    }
}

/// The bare loop, in as many sessions side by side as are asked for, which share the threads and the calls.
fn ceiling(args: &Args) -> Measured {
    let started = Instant::now();
    let library = Search::of_this_process().find().expect("`make runtime` installs ONNX Runtime");
    let preprocess = Preprocess::from_file(&args.model.join("preprocessor_config.json")).expect("a teacher");
    let environment =
        ort::init_from(&library.path).expect("it was loaded before").build().expect("the only one");
    let mut sessions: Vec<(Session, IoBinding)> = Vec::new();
    for _ in 0..args.sessions {
        let mut session = open(args, &environment).expect("ONNX Runtime opens the model");
        let binding = bind(&session, args.batch, preprocess.size()).expect("memory of the device");
        session.run_binding(&binding).expect("the model runs");
        sessions.push((session, binding));
    }
    let calls = args.count.div_ceil(args.batch * args.sessions);
    let (before, timed) = (used(libc::RUSAGE_SELF), Instant::now());
    std::thread::scope(|scope| {
        for (session, binding) in &mut sessions {
            scope.spawn(move || {
                for _ in 0..calls {
                    session.run_binding(binding).expect("the model runs");
                }
            });
        }
    });
    let (seconds, after) = (timed.elapsed().as_secs_f64(), used(libc::RUSAGE_SELF));
    let images = (calls * args.batch * args.sessions) as f64;
    Measured {
        images_per_second: images / seconds,
        cpu_ms_per_image: (after.cpu_ms - before.cpu_ms) / images,
        whole_seconds: started.elapsed().as_secs_f64(),
        peak_mb: after.peak_mb,
    }
}

/// A binding of pixels that lie where the session wants them, and of logits on the CPU.
fn bind(session: &Session, batch: usize, (height, width): (u32, u32)) -> ort::Result<IoBinding> {
    let shape = [batch, 3, height as usize, width as usize];
    let pixels: Vec<f32> =
        (0..shape.iter().product()).map(|i: usize| (i * 7919 % 1013) as f32 / 506.5 - 1.0).collect();
    let (input, output) = (&session.inputs()[0], &session.outputs()[0]);
    let pixels = if input.dtype().tensor_type() == Some(TensorElementType::Float16) {
        let pixels: Vec<f16> = pixels.into_iter().map(f16::from_f32).collect();
        Tensor::from_array((shape, pixels))?.upcast()
    } else {
        Tensor::from_array((shape, pixels))?.upcast()
    };
    let mut binding = session.create_binding()?;
    binding.bind_input(input.name(), &pixels)?;
    let cpu = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput)?;
    binding.bind_output_to_device(output.name(), &cpu)?;
    Ok(binding)
}

fn open(args: &Args, environment: &Environment) -> ort::Result<Session> {
    let threads = if args.threads == 0 { cores() } else { args.threads };
    Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads((threads / args.sessions).max(1))?
        .with_execution_providers(providers(&args.device))?
        .commit_from_file(args.model.join("model.onnx"))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn providers(device: &str) -> Vec<ExecutionProviderDispatch> {
    match device.split_once(':') {
        None if device == "cpu" => Vec::new(),
        #[cfg(feature = "cuda")]
        Some(("cuda", index)) => {
            let index = index.parse().expect("the number of a device");
            vec![ort::ep::CUDA::default().with_device_id(index).with_tf32(false).build().error_on_failure()]
        }
        _ => panic!("this build measures no {device}"),
    }
}

/// What this process or its children have used.
struct Used {
    cpu_ms: f64,
    peak_mb: f64,
}

fn used(who: libc::c_int) -> Used {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a `rusage`, all of whose bit patterns are valid, zeroed or written by the call.
    let usage = unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    };
    let ms = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
    // Kilobytes on Linux, bytes on macOS.
    let unit = if cfg!(target_os = "macos") { 1024.0 * 1024.0 } else { 1024.0 };
    Used { cpu_ms: ms(usage.ru_utime) + ms(usage.ru_stime), peak_mb: usage.ru_maxrss as f64 / unit }
}
