//! Class names as a Hugging Face `config.json` states them.

use std::collections::BTreeMap;

/// The class names in the order of their ids, from `id2label`, else from `label2id`.
///
/// # Errors
/// Neither names a class, they contradict each other, or the ids are not 0, 1, 2 and so on; the text says which.
pub fn class_names(
    id2label: Option<BTreeMap<String, String>>,
    label2id: Option<BTreeMap<String, usize>>,
) -> Result<Vec<String>, String> {
    let mut named: BTreeMap<usize, String> = BTreeMap::new();
    for (id, label) in id2label.iter().flatten() {
        let id = id.parse().map_err(|_| format!("id2label has the id {id:?}, expected a number"))?;
        named.insert(id, label.clone());
    }
    for (label, &id) in label2id.iter().flatten() {
        match named.get(&id) {
            Some(known) if known != label => {
                return Err(format!("class {id} is {known:?} in id2label and {label:?} in label2id"));
            }
            None if id2label.is_some() => return Err(format!("label2id has class {id}, id2label has not")),
            _ => named.insert(id, label.clone()),
        };
    }
    if named.is_empty() {
        return Err("it has neither id2label nor label2id, so nobody knows the classes' names".to_owned());
    }
    if !named.keys().copied().eq(0..named.len()) {
        let ids: Vec<String> = named.keys().map(ToString::to_string).collect();
        return Err(format!("the class ids are {}, expected 0 to {}", ids.join(", "), named.len() - 1));
    }
    Ok(named.into_values().collect())
}
