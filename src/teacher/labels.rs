//! The teacher's classes in the dataset's order, by name.

use super::Error;
use crate::config::ClassMatching;
use crate::support::labels::are_placeholders;

/// For each class of the dataset, the index of the same class among the teacher's logits.
///
/// By index, the classes are in the dataset's order, whatever they are called. By name, names are compared exactly first; where they differ only in case, spaces, hyphens and underscores
/// (`Bean Rust`, `bean_rust`), they are still the same class.
///
/// # Errors
/// A class that only one side has, a name that occurs twice, or another number of classes.
pub(crate) fn class_order(
    teacher: &[String],
    dataset: &[String],
    matching: ClassMatching,
) -> Result<Vec<usize>, Error> {
    let mismatch =
        |problem: String| Error::Classes { problem, teacher: teacher.to_vec(), dataset: dataset.to_vec() };
    if matching == ClassMatching::Index {
        let (found, expected) = (teacher.len(), dataset.len());
        let problem =
            || format!("teacher.match-classes = \"index\" needs {expected} classes and it has {found}");
        return if found == expected { Ok((0..found).collect()) } else { Err(mismatch(problem())) };
    }
    for (owner, names) in [("teacher", teacher), ("dataset", dataset)] {
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(mismatch(format!("{name:?} occurs twice in the {owner}'s")));
            }
        }
    }
    if !teacher.is_empty() && are_placeholders(teacher) && !are_placeholders(dataset) {
        return Err(Error::ClassesWithoutNames { count: teacher.len(), dataset: dataset.to_vec() });
    }
    let mut order = Vec::with_capacity(dataset.len());
    for name in dataset {
        let same: Vec<usize> = match teacher.iter().position(|candidate| candidate == name) {
            Some(index) => vec![index],
            None => (0..teacher.len()).filter(|&index| plain(&teacher[index]) == plain(name)).collect(),
        };
        match same[..] {
            [index] if !order.contains(&index) => order.push(index),
            [] => return Err(mismatch(format!("the teacher does not know {name:?}"))),
            _ => return Err(mismatch(format!("{name:?} could be several of the teacher's"))),
        }
    }
    match (0..teacher.len()).find(|index| !order.contains(index)) {
        Some(index) => Err(mismatch(format!("the dataset does not have {:?}", teacher[index]))),
        None => Ok(order),
    }
}

fn plain(name: &str) -> String {
    let kept = name.chars().filter(|character| !matches!(character, ' ' | '_' | '-'));
    kept.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(teacher: &[&str], dataset: &[&str]) -> Result<Vec<usize>, String> {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        class_order(&owned(teacher), &owned(dataset), ClassMatching::Name).map_err(|error| error.to_string())
    }

    #[test]
    fn classes_are_matched_by_name_and_not_by_place() {
        assert_eq!(order(&["healthy", "rust", "spot"], &["spot", "healthy", "rust"]), Ok(vec![2, 0, 1]));
    }

    #[test]
    fn an_exact_name_comes_before_a_similar_one() {
        assert_eq!(order(&["Rust", "rust"], &["rust", "Rust"]), Ok(vec![1, 0]));
        assert_eq!(order(&["Bean Rust", "HEALTHY"], &["healthy", "bean_rust"]), Ok(vec![1, 0]));
    }

    #[test]
    fn different_classes_are_refused_and_both_listed() {
        insta::assert_snapshot!(
            order(&["cat", "dog"], &["healthy", "rust"]).unwrap_err(),
            @r#"the teacher's classes are not the dataset's, the teacher does not know "healthy": the teacher knows 2 (cat, dog), the dataset has 2 (healthy, rust); use a teacher that was trained on these classes, correct id2label in its config.json, or write teacher.classes into the pipeline file (teacher.match-classes = "index" where names occur twice)"#
        );
    }

    #[test]
    fn names_that_transformers_made_up_are_told_from_real_ones() {
        insta::assert_snapshot!(
            order(&["LABEL_0", "LABEL_1"], &["healthy", "rust"]).unwrap_err(),
            @r#"
        the teacher's 2 classes have no names but LABEL_0 and so on; write their names into the pipeline file in the order of the teacher's logits, such as:

        [teacher]
        classes = ["healthy", "rust"]
        "#
        );
    }

    #[test]
    fn another_number_of_classes_is_refused() {
        assert!(order(&["a", "b", "c"], &["a", "b"]).unwrap_err().contains(r#"does not have "c""#));
        assert!(order(&["a"], &["a", "b"]).unwrap_err().contains(r#"does not know "b""#));
    }

    #[test]
    fn classes_are_matched_by_index_where_that_is_asked_for() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let order =
            |teacher: &[&str]| class_order(&names(teacher), &names(&["a", "b"]), ClassMatching::Index);
        assert_eq!(order(&["crane", "crane"]).unwrap(), [0, 1]);
        assert_eq!(order(&["b", "a"]).unwrap(), [0, 1]);
        assert!(order(&["a"]).unwrap_err().to_string().contains("needs 2 classes and it has 1"));
    }

    #[test]
    fn a_name_that_could_be_two_classes_is_refused() {
        assert!(order(&["a b", "a_b"], &["A B", "c"]).unwrap_err().contains("several"));
        assert!(order(&["a b", "c"], &["A B", "a_b"]).unwrap_err().contains("several"));
        assert!(order(&["a", "a"], &["a", "b"]).unwrap_err().contains("twice"));
    }
}
