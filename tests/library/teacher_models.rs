//! Models that ONNX Runtime does not know, can't run, or that fail.

use std::fs;
use std::path::Path;

use decant::config;
use decant::support::exit::{ExitKind, Kind};
use decant::teacher::{Error, OnnxTeacher, Teacher, identify};

use crate::onnx::{Message, model, node, value};
use crate::teacher_files::bare;
use crate::teacher_support::{golden, on_cpu};

/// A classifier of 2 x 2 pixels, `MatMul(Flatten(pixel_values), w)`, as an exporter might write it.
struct Tiny {
    batch: Option<u64>,
    opset: u64,
    operator: &'static str,
    domain: &'static str,
}

const TINY: Tiny = Tiny { batch: None, opset: 17, operator: "Flatten", domain: "" };

impl Tiny {
    fn open(&self) -> Result<Vec<f32>, Error> {
        let weights: Vec<u8> = (0..36).flat_map(|index| (index as f32 / 36.0).to_le_bytes()).collect();
        let weights = Message::default().int(1, 12).int(1, 3).int(2, 1).bytes(8, "w").bytes(9, weights);
        let graph = Message::default()
            .bytes(1, node(&["pixel_values"], "flat", self.operator, self.domain))
            .bytes(1, node(&["flat", "w"], "logits", "MatMul", ""))
            .bytes(2, "tiny")
            .bytes(5, weights)
            .bytes(11, value("pixel_values", &[self.batch, Some(3), Some(2), Some(2)]))
            .bytes(12, value("logits", &[self.batch, Some(3)]));
        let model = model(graph, self.opset);
        let model = if self.domain.is_empty() {
            model
        } else {
            model.bytes(8, Message::default().bytes(1, self.domain).int(2, 1))
        };
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.onnx"), model.0).unwrap();
        let teacher = config::Teacher { image_size: None, ..bare(folder.path()) };
        OnnxTeacher::open(&teacher)?.logits(&[1.0; 12], 1)
    }

    fn refusal(&self) -> Error {
        self.open().map(|_| ()).expect_err("it is refused")
    }
}

#[test]
fn what_onnx_runtime_does_not_know_is_not_called_damage() {
    assert_eq!(TINY.open().unwrap().len(), 3);
    for tiny in [
        Tiny { opset: 99, ..TINY },
        Tiny { operator: "Flattten", ..TINY },
        Tiny { domain: "com.example", ..TINY },
    ] {
        let error = tiny.refusal();
        assert!(matches!(error, Error::NotRunnable { .. }), "{error}");
        assert_eq!(error.kind(), Kind::Usage);
        let message = error.to_string();
        assert!(message.contains("ONNX Runtime 1.") && !message.contains("damaged"), "{message}");
    }
}

#[test]
fn a_batch_fixed_to_nothing_or_to_too_much_is_refused() {
    assert_eq!(Tiny { batch: Some(4), ..TINY }.open().unwrap().len(), 3);
    for batch in [0, 100_000] {
        let message = Tiny { batch: Some(batch), ..TINY }.refusal().to_string();
        assert!(message.contains(&format!("a batch that is fixed to {batch}")), "{message}");
    }
}

#[test]
fn a_model_that_fails_is_a_failed_run_and_not_bad_usage() {
    let mut teacher = OnnxTeacher::open(&on_cpu(&golden("fp32"))).unwrap();
    let error = teacher.logits(&vec![f32::NAN; 3 * 32 * 32], 1).unwrap_err();
    assert!(matches!(error, Error::Inference { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Failed);
    assert_eq!(identify(&on_cpu(Path::new("/no/model.onnx"))).unwrap_err().kind(), Kind::Usage);
}
