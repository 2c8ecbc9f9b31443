//! The declaration of a key, beside the field that it sets: type, range, role, and when it is read.

use std::ops::Deref;

use super::kind::Kind;

/// The facts about a key, whatever its section.
#[derive(Clone, Copy)]
pub(crate) struct Facts {
    /// Its dotted name, such as `train.lr`.
    pub name: &'static str,
    /// The type and range of its value.
    pub kind: Kind,
    /// Its part in a run's identity.
    pub role: Role,
    /// One line for the reference.
    pub about: &'static str,
    /// Words for a message where it would do nothing, if it is easily taken for another key.
    pub hint: &'static str,
    /// Its names in other programs.
    pub also: &'static [&'static str],
}

/// A key of the section `S`.
pub(crate) struct Declared<S> {
    pub(super) facts: Facts,
    /// It is read only where all of them hold.
    pub conditions: [Option<Condition<S>>; 2],
}

/// The part of a key in what makes two runs the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It decides what a student learns.
    Decides,
    /// It decides the distillation term of the loss: a student that learns from the labels only does not depend on it.
    TeacherTerm,
    /// It is repeated over: runs that differ in it only are one configuration.
    Seed,
    /// It says where and how the work is done, which changes no result.
    Machine,
    /// It is a name for people.
    Name,
}

/// Where a key is read.
pub(crate) struct Condition<S> {
    /// Whether it is read with these values of its section; the second argument is its name.
    pub holds: fn(&S, &str) -> bool,
    /// The end of `it is read only ...`.
    pub text: &'static str,
    /// Settings with which it holds, each `KEY=VALUE`.
    pub with: &'static [&'static str],
    /// Settings with which it does not.
    pub without: &'static [&'static str],
}

impl<S> Declared<S> {
    /// A key that is always read.
    pub(crate) const fn new(name: &'static str, kind: Kind, role: Role, about: &'static str) -> Self {
        let facts = Facts { name, kind, role, about, hint: "", also: &[] };
        Self { facts, conditions: [None, None] }
    }

    /// The key, read only where `condition` holds as well.
    pub(crate) const fn read(mut self, condition: Condition<S>) -> Self {
        let free = self.conditions[0].is_some() as usize;
        self.conditions[free] = Some(condition);
        self
    }

    /// The key with the names that other programs have for it.
    pub(crate) const fn also(mut self, names: &'static [&'static str]) -> Self {
        self.facts.also = names;
        self
    }

    /// The key with words for a message.
    pub(crate) const fn hint(mut self, hint: &'static str) -> Self {
        self.facts.hint = hint;
        self
    }
}

impl<S> Deref for Declared<S> {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

impl<S> Clone for Declared<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Declared<S> {}

impl<S> Clone for Condition<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Condition<S> {}
