//! The devices that a teacher runs on together.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::{Provider, TeacherDevice};

/// One device, or several GPUs that fill one cache: `cuda:0,1`, `cuda:0,cuda:1` or `["cuda:0", "cuda:1"]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub struct TeacherDevices(Vec<TeacherDevice>);

impl TeacherDevices {
    /// Each device, none twice; one at least.
    pub(crate) fn as_slice(&self) -> &[TeacherDevice] {
        &self.0
    }

    /// The first one. All are of its kind.
    pub fn first(&self) -> TeacherDevice {
        self.0[0]
    }

    /// The provider that is asked for; none for `auto`.
    pub fn provider(&self) -> Option<Provider> {
        self.first().provider()
    }

    fn new(devices: Vec<TeacherDevice>) -> Result<Self, String> {
        let Some(&first) = devices.first() else {
            return Err(format!("no device, expected one of {}", TeacherDevice::forms()));
        };
        if devices.iter().any(|device| device.provider() != first.provider()) {
            return Err("devices of several kinds, expected one device or GPUs of one kind".to_owned());
        }
        match (1..devices.len()).find(|&index| devices[..index].contains(&devices[index])) {
            Some(index) => Err(format!("{} occurs twice, expected each device once", devices[index])),
            None => Ok(Self(devices)),
        }
    }
}

impl Default for TeacherDevices {
    fn default() -> Self {
        TeacherDevice::default().into()
    }
}

impl From<TeacherDevice> for TeacherDevices {
    fn from(device: TeacherDevice) -> Self {
        Self(vec![device])
    }
}

impl FromStr for TeacherDevices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut kind = "";
        let mut devices = Vec::new();
        for part in text.split(',').map(str::trim) {
            let bare_index = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let device = if bare_index && !kind.is_empty() {
                format!("{kind}:{part}").parse()?
            } else {
                kind = part.split(':').next().unwrap_or(part);
                part.parse()?
            };
            devices.push(device);
        }
        Self::new(devices)
    }
}

/// The forms in a pipeline file.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a device such as \"cuda:0\", or a list of them")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl TryFrom<OneOrMany> for TeacherDevices {
    type Error = String;

    fn try_from(devices: OneOrMany) -> Result<Self, String> {
        match devices {
            OneOrMany::One(text) => text.parse(),
            OneOrMany::Many(texts) => {
                Self::new(texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
            }
        }
    }
}

/// `cuda:0,1`, as it is read.
impl fmt::Display for TeacherDevices {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.first())?;
        for device in &self.0[1..] {
            let text = device.to_string();
            write!(formatter, ",{}", text.split_once(':').map_or(&text[..], |(_, index)| index))?;
        }
        Ok(())
    }
}

impl serde::Serialize for TeacherDevices {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        text.parse::<TeacherDevices>().map(|devices| devices.to_string())
    }

    #[derive(Debug, Deserialize)]
    struct Section {
        device: TeacherDevices,
    }

    #[test]
    fn devices_read_back_as_written() {
        for text in ["auto", "cpu", "cuda:0", "cuda:0,1", "cuda:3,0,7", "tensorrt:1,2"] {
            assert_eq!(read(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_list_is_written_in_several_ways() {
        for text in [r#""cuda:0,1""#, r#""cuda:0, cuda:1""#, r#""cuda, 1""#, r#"["cuda:0", "cuda:1"]"#] {
            let section: Section = toml::from_str(&format!("device = {text}")).unwrap();
            assert_eq!(
                section.device.as_slice(),
                [0, 1].map(|index| TeacherDevice::on(Provider::Cuda, index)),
                "{text}"
            );
        }
    }

    #[test]
    fn devices_that_can_not_work_together_are_refused() {
        for (text, reason) in [
            ("cuda:0,0", "cuda:0 occurs twice"),
            ("cpu,cpu", "cpu occurs twice"),
            ("cpu,cuda:0", "several kinds"),
            ("cuda:0,tensorrt:1", "several kinds"),
            ("auto,1", "unknown device \"auto:1\""),
            ("0,1", "unknown device \"0\""),
            ("cuda:0,", "unknown device \"\""),
            ("", "unknown device \"\""),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
        assert!(toml::from_str::<Section>("device = []").unwrap_err().message().contains("no device"));
        let message = toml::from_str::<Section>("device = 3").err().unwrap().message().to_owned();
        assert!(message.contains("expected a device such as"), "{message}");
    }
}
