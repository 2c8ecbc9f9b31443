//! What a report promises: every section for each kind of input, nothing from elsewhere, the same bytes again, and a clear word
//! about input that can't be reported.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;

use crate::common::{TINY, Workshop, copy, reseal, unsealed};

/// A cache and four finished runs, made once for every test here.
struct Made {
    workshop: Workshop,
    cache: String,
    /// Distilled and from the labels only, two seeds each.
    runs: Vec<String>,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    for seed in ["0", "1"] {
        for lambda in ["0", "0.5"] {
            workshop.done(&["train-student", "-p", "tiny.toml", "--seed", seed, "--lambda", lambda]);
        }
    }
    let cache = relative(&workshop, &workshop.only("cache", "tiny-"));
    let folders = fs::read_dir(workshop.path().join("runs")).unwrap();
    let runs = folders.map(|entry| relative(&workshop, &entry.unwrap().path())).collect();
    Made { workshop, cache, runs }
});

fn relative(workshop: &Workshop, path: &Path) -> String {
    path.strip_prefix(workshop.path()).unwrap().display().to_string()
}

impl Made {
    /// The page about some folders.
    fn page(&self, name: &str, args: &[&str]) -> String {
        self.workshop.done(&[&["report", "-o", name], args].concat());
        fs::read_to_string(self.workshop.path().join(name)).unwrap()
    }

    fn all_runs(&self) -> Vec<&str> {
        self.runs.iter().map(String::as_str).collect()
    }

    fn numbers(&self, name: &str, args: &[&str]) -> Value {
        serde_json::from_str(&self.workshop.done(&[&["report", "--json", "-o", name], args].concat()))
            .unwrap()
    }

    /// A copy of the first run, to be damaged.
    fn copy_of_a_run(&self, name: &str) -> PathBuf {
        let to = self.workshop.path().join(name);
        copy(&self.workshop.path().join(&self.runs[0]), &to);
        to
    }
}

/// The ids of the page's sections, in order.
fn sections(page: &str) -> Vec<&str> {
    page.split("<section id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// What any page must be, whatever it is about.
fn is_sound(page: &str) {
    for address in ["http://", "https://", "src=\"//", "@import", "<script", "<link rel=\"stylesheet\""] {
        assert!(!page.contains(address), "the page has {address}");
    }
    assert_eq!(page.matches("url(").count(), page.matches("url(data:font/ttf;base64,").count());
    let sources: Vec<&str> = page.split(" src=\"").skip(1).collect();
    assert!(sources.iter().all(|source| source.starts_with("data:image/jpeg;base64,")));
    let figures = page.matches("<figure>").count();
    assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), figures, "each chart has its text");
    assert_eq!(page.matches("<svg ").count(), figures);
    assert_eq!(page.matches("<img ").count(), page.matches(" alt=\"Image labelled ").count());
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    for section in sections(page) {
        assert!(page.contains(&format!("href=\"#{section}\"")), "nothing leads to {section}");
    }
    // Anything may stand in an image's bytes.
    let texts: String =
        page.split("base64,").map(|part| part.split_once('"').map_or("", |(_, rest)| rest)).collect();
    assert!(!texts.contains("NaN") && !texts.contains("inf "), "a number is none");
}

#[test]
fn a_cache_has_its_sections_and_shows_images_once_it_is_told_where_they_are() {
    let page = MADE.page("cache.html", &[&MADE.cache]);
    assert_eq!(sections(&page), ["teacher", "gallery", "costs", "rerun"]);
    assert!(page.contains("--pipeline FILE") && !page.contains("<img "));
    is_sound(&page);
    let page = MADE.page("cache-images.html", &[&MADE.cache, "-p", "tiny.toml"]);
    // Three classes, two images each.
    assert_eq!(page.matches("<img ").count(), 6);
    is_sound(&page);
}

#[test]
fn a_run_has_its_sections() {
    let page = MADE.page("run.html", &[&MADE.runs[0]]);
    assert_eq!(sections(&page), ["learning", "student", "teacher", "gallery", "mistakes", "costs", "rerun"]);
    for title in ["Training loss", "Confusion matrix", "Reliability", "Entropy of the soft targets"] {
        assert!(page.contains(title), "no {title}");
    }
    is_sound(&page);
}

#[test]
fn several_runs_are_compared() {
    let page = MADE.page("sweep.html", &MADE.all_runs());
    let expected = ["comparison", "learning", "student", "teacher", "gallery", "mistakes", "costs", "rerun"];
    assert_eq!(sections(&page), expected);
    for title in ["temperature by lambda", "run by run", "Gain over labels only", "labels only (lambda = 0)"]
    {
        assert!(page.contains(title), "no {title}");
    }
    is_sound(&page);
}

#[test]
fn the_folder_of_a_sweep_stands_for_the_runs_that_it_lists() {
    let workshop = &MADE.workshop;
    let axes = "[sweep]\ntrain.seed = [0, 1]\ntrain.lambda = [0.0, 0.5]\n";
    workshop.file("tiny-sweep.toml", &format!("name = \"tiny\"\n{TINY}{axes}"));
    workshop.done(&["sweep", "-p", "tiny-sweep.toml"]);
    let sweep = relative(workshop, &workshop.only("sweeps", "tiny-"));
    let mut listed = MADE.numbers("listed.html", &[&sweep]);
    let mut named = MADE.numbers("named.html", &MADE.all_runs());
    listed["paths"] = Value::Null;
    named["paths"] = Value::Null;
    assert_eq!(listed, named);

    let lock = fs::read_to_string(workshop.path().join(&sweep).join("sweep.lock.toml")).unwrap();
    let unknown = format!("\n[[runs]]\nrun = \"gone\"\nkey = \"{}\"\n", "0".repeat(64));
    let end = lock.find("# BLAKE3 of the lines above").unwrap();
    workshop.file("less/sweep.lock.toml", &format!("{}{unknown}", &lock[..end]));
    let page = MADE.page("less.html", &["less"]);
    assert!(page.contains("1 of the 5 runs of less are not in runs"), "{page}");
    let (code, said) = workshop.refused(&["report", "less", "--runs-dir", "elsewhere"]);
    assert!(code == 2 && said.contains("none of the 5 runs of less is in elsewhere"), "{said}");
    workshop.file("bad/sweep.lock.toml", "runs = 1");
    let (code, said) = workshop.refused(&["report", "bad"]);
    assert!(code == 3 && said.contains("bad/sweep.lock.toml"), "{said}");
}

#[test]
fn the_same_folders_give_the_same_bytes_in_whatever_order_they_are_named() {
    let mut runs = MADE.all_runs();
    let first = MADE.numbers("first.html", &runs)["comparison"].clone();
    let page = MADE.page("again.html", &runs);
    assert!(page == fs::read_to_string(MADE.workshop.path().join("first.html")).unwrap());
    runs.reverse();
    assert_eq!(MADE.numbers("reversed.html", &runs)["comparison"], first);
}

#[test]
fn the_numbers_are_those_of_the_runs() {
    let numbers = MADE.numbers("numbers.html", &[&MADE.runs[0]]);
    let result = unsealed(&MADE.workshop.path().join(&MADE.runs[0]).join("result.json"));
    assert_eq!(numbers["runs"][0]["result"], result);
    // Evaluating the kept weights again gives what training wrote.
    assert_eq!(numbers["student"]["metrics"], result["test"]);
    let error = |value: &Value| value.as_f64().unwrap();
    let theirs = error(&result["test"]["calibration_error"]);
    assert!((error(&numbers["student"]["calibration_error"]) - theirs).abs() < 1e-6);
}

#[test]
fn a_comparison_is_of_the_test_accuracies_seed_by_seed() {
    let numbers = MADE.numbers("compared.html", &MADE.all_runs());
    let runs = numbers["runs"].as_array().unwrap();
    let accuracy = |lambda: f64, seed: u64| {
        let run = runs.iter().find(|run| {
            let train = &run["description"]["pipeline"]["train"];
            train["seed"] == seed && (train["lambda"].as_f64().unwrap() - lambda).abs() < 1e-6
        });
        run.unwrap()["result"]["test"]["accuracy"].as_f64().unwrap()
    };
    let gain = (accuracy(0.5, 0) - accuracy(0.0, 0) + accuracy(0.5, 1) - accuracy(0.0, 1)) / 2.0;
    let groups = numbers["comparison"]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    let distilled = groups.iter().find(|group| !group["temperature"].is_null()).unwrap();
    assert_eq!(distilled["gain"]["seeds"], serde_json::json!([0, 1]));
    assert!((distilled["gain"]["accuracy"]["mean"].as_f64().unwrap() - gain).abs() < 1e-12);
}

#[test]
fn every_chart_is_written_as_svg_and_png() {
    let said = MADE
        .workshop
        .done(&[&["report", "-o", "c.html", "--charts", "charts"], &MADE.all_runs()[..]].concat());
    let files: Vec<PathBuf> = fs::read_dir(MADE.workshop.path().join("charts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() >= 16 && said.contains(&format!("{} SVG and PNG files", files.len())), "{said}");
    for file in files {
        if file.extension().unwrap() == "png" {
            let image = image::open(&file).unwrap().into_rgb8();
            assert_eq!(image.width(), 1332);
            assert!(
                image.pixels().any(|pixel| pixel.0 == [255; 3])
                    && image.pixels().any(|pixel| pixel.0[0] < 100)
            );
        } else {
            let svg = fs::read_to_string(&file).unwrap();
            assert!(
                svg.starts_with("<svg xmlns=") && svg.trim_end().ends_with("</svg>") && svg.contains("<text")
            );
        }
    }
}

const ODD: &str = "<b>&\"rust";

#[test]
fn names_and_paths_are_text_never_markup() {
    let workshop = Workshop::new();
    workshop.done(&["data", "synth", "--out", "images", "--train", "12", "--validation", "6", "--test", "6"]);
    let teacher = workshop.path().join("teacher");
    fs::create_dir(&teacher).unwrap();
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/teachers/leaves");
    for name in ["model.onnx", "preprocessor_config.json"] {
        fs::copy(embedded.join(name), teacher.join(name)).unwrap();
    }
    let config = fs::read_to_string(embedded.join("config.json")).unwrap();
    fs::write(teacher.join("config.json"), config.replace("bean_rust", &ODD.replace('"', "\\\""))).unwrap();
    for split in ["train", "validation", "test"] {
        let folder = workshop.path().join("images").join(split);
        fs::rename(folder.join("bean_rust"), folder.join(ODD)).unwrap();
    }
    let dataset = "[dataset]\nsource = \"images\"\n[teacher]\nmodel = \"teacher/model.onnx\"\n";
    let rest = TINY.split("[student]").nth(1).unwrap();
    workshop.file("odd.toml", &format!("{dataset}[student]{rest}"));
    workshop.done(&["teacher-cache", "-p", "odd.toml"]);
    workshop.done(&["train-student", "-p", "odd.toml", "--runs-dir", "r<b>&\"s"]);
    let run = relative(&workshop, &workshop.only("r<b>&\"s", "odd-"));
    workshop.done(&["report", "-o", "odd.html", "--charts", "charts", &run]);
    let page = fs::read_to_string(workshop.path().join("odd.html")).unwrap();
    assert!(page.contains("&lt;b&gt;&amp;") && !page.contains("<b>"));
    // Nowhere does a quote of the name end an attribute.
    assert!(!page.contains("&amp;\"rust=\"") && page.contains("&amp;&quot;rust"));
    is_sound(&page);
    let svg = fs::read_to_string(workshop.path().join("charts/confusion.svg")).unwrap();
    assert!(svg.contains("&lt;b&gt;&amp;&quot;") && !svg.contains("<b>"));
}

#[test]
fn a_run_without_a_test_split_is_measured_on_validation() {
    let run = MADE.copy_of_a_run("no-test");
    let path = run.join("result.json");
    reseal(&path, |result| result["test"] = Value::Null);
    let result = unsealed(&path);
    let numbers = MADE.numbers("no-test.html", &["no-test"]);
    assert_eq!(numbers["student"]["split"], "validation");
    assert_eq!(numbers["student"]["metrics"], result["validation"]);
    let page = fs::read_to_string(MADE.workshop.path().join("no-test.html")).unwrap();
    assert!(!page.contains("Test accuracy"));
    is_sound(&page);
}

#[test]
fn a_run_that_has_not_finished_shows_its_curves_and_says_so() {
    let run = MADE.copy_of_a_run("unfinished");
    fs::remove_file(run.join("result.json")).unwrap();
    let page = MADE.page("unfinished.html", &["unfinished"]);
    assert!(page.contains("has not finished: 3 of 3 epochs are done"), "{page}");
    assert_eq!(sections(&page), ["learning", "costs", "rerun"]);
    is_sound(&page);
    fs::remove_file(run.join("metrics.jsonl")).unwrap();
    is_sound(&MADE.page("begun.html", &["unfinished"]));
    let args = [&["report", "-o", "none.html", "unfinished"], &MADE.all_runs()[1..]].concat();
    MADE.workshop.done(&args);
}

#[test]
fn a_run_whose_cache_has_moved_shows_what_it_has_and_says_why() {
    let run = MADE.copy_of_a_run("moved");
    let path = run.join("run.json");
    reseal(&path, |run| run["cache"] = "cache/gone".into());
    let page = MADE.page("moved.html", &["moved"]);
    assert!(page.contains("predictions are not shown") && page.contains("cache/gone"));
    assert_eq!(sections(&page), ["learning", "costs", "rerun"]);
    is_sound(&page);
}

#[test]
fn damage_is_an_error_that_names_the_file() {
    for (name, file, content) in [
        ("cut", "metrics.jsonl", "{\"epoch\":1"),
        ("strange", "run.json", "{}"),
        ("result", "result.json", "[]"),
        ("timing", "timing.json", "1"),
    ] {
        let folder = format!("damaged-{name}");
        fs::write(MADE.copy_of_a_run(&folder).join(file), content).unwrap();
        let (code, said) = MADE.workshop.refused(&["report", "-o", "damaged.html", &folder]);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains(&format!("{folder}/{file}")), "{said}");
    }
    assert!(!MADE.workshop.path().join("damaged.html").exists());
}

#[test]
fn a_damaged_cache_is_an_error() {
    let folder = MADE.workshop.path().join("cache-damaged");
    copy(&MADE.workshop.path().join(&MADE.cache), &folder);
    let shard = folder.join("test/part-00000.parquet");
    let mut bytes = fs::read(&shard).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&shard, bytes).unwrap();
    let (code, said) = MADE.workshop.refused(&["report", "cache-damaged"]);
    assert!(code == 3 && said.contains("part-00000.parquet"), "{said}");
}

#[test]
fn what_is_no_cache_run_or_sweep_is_refused() {
    let workshop = &MADE.workshop;
    fs::create_dir_all(workshop.path().join("empty")).unwrap();
    let (code, said) = workshop.refused(&["report", "empty"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(said, @"decant: empty is not a cache (manifest.json), a run (run.json) or a sweep (sweep.lock.toml); name a folder that teacher-cache, train-student or sweep wrote");
    let (code, said) = workshop.refused(&["report", "nowhere"]);
    assert!(code == 2 && said.contains("there is no run nowhere; did you mean"), "{said}");
    let (code, said) = workshop.refused(&["report", &MADE.runs[0], &MADE.cache]);
    assert!(code == 2 && said.contains("name only the cache"), "{said}");
    assert_eq!(workshop.refused(&["report"]).0, 2);
    let (code, said) = workshop.refused(&["report", "-o", "empty", &MADE.cache]);
    assert!(code == 1 && said.contains("can't write empty"), "{said}");
}

#[test]
fn a_dataset_that_the_cache_was_not_made_from_is_refused() {
    let other = TINY.replace("test = 9", "test = 6");
    MADE.workshop.file("other.toml", &other);
    let (code, said) = MADE.workshop.refused(&["report", &MADE.cache, "-p", "other.toml"]);
    assert!(code == 2, "{said}");
}
