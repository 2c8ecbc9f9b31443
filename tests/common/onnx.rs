//! Small ONNX models, written field by field.

/// A protobuf message, written field by field.
#[derive(Default)]
pub(crate) struct Message(pub Vec<u8>);

impl Message {
    pub(crate) fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    pub(crate) fn int(self, field: u64, value: u64) -> Self {
        self.varint(field << 3).varint(value)
    }

    pub(crate) fn bytes(self, field: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        let mut message = self.varint(field << 3 | 2).varint(value.len() as u64);
        message.0.extend_from_slice(value);
        message
    }

    pub(crate) fn all<T: AsRef<[u8]>>(self, field: u64, values: impl IntoIterator<Item = T>) -> Self {
        values.into_iter().fold(self, |message, value| message.bytes(field, value))
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A node of the default or another operator set.
pub(crate) fn node(inputs: &[&str], output: &str, operator: &str, domain: &str) -> Message {
    Message::default().all(1, inputs).bytes(2, output).bytes(4, operator).bytes(7, domain)
}

/// A float32 input or output; a size of none is free.
pub(crate) fn value(name: &str, sizes: &[Option<u64>]) -> Message {
    let dimension = |size: &Option<u64>| match size {
        Some(size) => Message::default().int(1, *size),
        None => Message::default().bytes(2, "N"),
    };
    let shape = Message::default().all(1, sizes.iter().map(dimension));
    let tensor = Message::default().int(1, 1).bytes(2, shape);
    Message::default().bytes(1, name).bytes(2, Message::default().bytes(1, tensor))
}

/// A model of one graph.
pub(crate) fn model(graph: Message, opset: u64) -> Message {
    Message::default().int(1, 8).bytes(7, graph).bytes(8, Message::default().int(2, opset))
}
