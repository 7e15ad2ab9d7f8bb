//! The lives of pods and nodes and what was found of them, for `plimsoll explain`.
//!
//! A month has hundreds of thousands of pods, so this is compact: what was said is written once and
//! pointed at, instants are seconds since the report's `startTime`, each life is one line of JSON, and a
//! pod that was bound at once has nothing but its name, its times and its node. Nothing is left out
//! for that: what holds from one entry of a story to the next was found by every loop in between.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::seconds::Seconds;

/// Everything that `plimsoll explain` tells from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanations {
    /// Whether pods without a node were left to a scheduler, which says why; not where a recording
    /// says who was bound when.
    #[serde(default)]
    pub has_scheduler: bool,
    /// What was said, each once, in the order of first use.
    #[serde(default, serialize_with = "one_a_line")]
    pub words: Vec<Word>,
    /// What held all nodes from being scaled down.
    #[serde(default, serialize_with = "one_a_line")]
    pub cluster: Vec<StoryEntry>,
    /// What held all nodes of a group from being scaled down, by group.
    #[serde(default)]
    pub groups: BTreeMap<String, Story>,
    /// Every machine, in the order in which they appeared as Nodes, then those that never did.
    #[serde(default, serialize_with = "one_a_line")]
    pub nodes: Vec<NodeLife>,
    /// Every pod, in the order of their creation.
    #[serde(default, serialize_with = "one_a_line")]
    pub pods: Vec<PodLife>,
}

/// Something that was said of pods, nodes or groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Word {
    /// Who said it: `kube-scheduler`, or the strategy.
    pub by: String,
    /// The word for programs, such as `triggeredScaleUp` or `NotUnderutilized`.
    pub code: String,
    /// The same for people.
    pub text: String,
    /// What each node group said to a pod, where that was asked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
}

/// What was found of something, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Story(#[serde(serialize_with = "one_a_line")] pub Vec<StoryEntry>);

/// What was found from an instant on, until the next entry: `[from, word]`, or `[from, word, until]`
/// where it ends by itself at a known time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoryEntry {
    /// From when on.
    pub from: Seconds,
    /// The place of the word.
    pub word: u32,
    /// When it ends by itself; for an unneeded node, when it may go.
    pub until: Option<Seconds>,
}

/// One machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeLife {
    /// Its name.
    pub name: String,
    /// Its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// When the cloud was asked for it; absent where it was there at the start or nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Seconds>,
    /// When its Node was there, ready; absent where it was there at the start, or never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Seconds>,
    /// When it was gone; absent where it was there at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Seconds>,
    /// It never became a Node.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_registered: bool,
    /// What was found of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub story: Vec<StoryEntry>,
}

/// One pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodLife {
    /// `namespace/name`.
    pub name: String,
    /// When it was created, the start for one that waited then; absent where it ran at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Seconds>,
    /// When it was bound; absent where it ran at the start, or never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Seconds>,
    /// The place of its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
    /// When it was asked to go, where it used a grace period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_to_go: Option<Seconds>,
    /// When and how it ended: `finished`, `deleted`, `evicted`, `preempted`, `nodeGone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<(Seconds, String)>,
    /// The place of the pod that was made in its stead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<u32>,
    /// The place of the pod that it had to go for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preempted_by: Option<u32>,
    /// Of a pod that no group helped at some time: the groups whose empty node would hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_fit: Option<Vec<String>>,
    /// What was found of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub story: Vec<StoryEntry>,
}

impl Explanations {
    /// The word of an entry.
    #[must_use]
    pub fn word(&self, entry: &StoryEntry) -> Option<&Word> {
        self.words.get(entry.word as usize)
    }

    /// The node of a pod.
    #[must_use]
    pub fn node_of(&self, pod: &PodLife) -> Option<&NodeLife> {
        self.nodes.get(pod.node? as usize)
    }
}

/// Writes each element without line breaks, however the document around it is laid out.
fn one_a_line<T: Serialize, S: Serializer>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut lines = serializer.serialize_seq(Some(list.len()))?;
    for element in list {
        let line = serde_json::value::to_raw_value(element).map_err(S::Error::custom)?;
        lines.serialize_element(&line)?;
    }
    lines.end()
}

impl Serialize for StoryEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = if self.until.is_some() { 3 } else { 2 };
        let mut list = serializer.serialize_seq(Some(parts))?;
        list.serialize_element(&self.from)?;
        list.serialize_element(&self.word)?;
        if let Some(until) = &self.until {
            list.serialize_element(until)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for StoryEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StoryEntry, D::Error> {
        deserializer.deserialize_seq(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = StoryEntry;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[from, word] or [from, word, until]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<StoryEntry, A::Error> {
        let missing = |place| de::Error::invalid_length(place, &EntryVisitor);
        let from = list.next_element()?.ok_or_else(|| missing(0))?;
        let word = list.next_element()?.ok_or_else(|| missing(1))?;
        Ok(StoryEntry { from, word, until: list.next_element()? })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_life_is_one_line_and_is_read_back_as_it_was() {
        let entry = |from, word, until: Option<i64>| StoryEntry {
            from: Seconds(from),
            word,
            until: until.map(Seconds),
        };
        let explanations = Explanations {
            has_scheduler: true,
            words: vec![Word {
                by: "kube-scheduler".to_owned(),
                code: "Unschedulable".to_owned(),
                text: "0/1 nodes are available: 1 Insufficient cpu.".to_owned(),
                groups: BTreeMap::new(),
            }],
            cluster: vec![entry(0, 0, Some(600_000))],
            groups: [("a".to_owned(), Story(vec![entry(10_000, 0, None)]))].into(),
            nodes: vec![NodeLife { name: "n".to_owned(), ..NodeLife::default() }],
            pods: vec![PodLife {
                name: "shop/web-1".to_owned(),
                created: Some(Seconds(0)),
                bound: Some(Seconds(90_500)),
                node: Some(0),
                end: Some((Seconds(200_000), "finished".to_owned())),
                story: vec![entry(0, 0, None), entry(10_000, 0, Some(20_000))],
                ..PodLife::default()
            }],
        };
        let json = serde_json::to_string_pretty(&explanations).expect("it is JSON");
        expect![[r#"
            {
              "hasScheduler": true,
              "words": [
                {"by":"kube-scheduler","code":"Unschedulable","text":"0/1 nodes are available: 1 Insufficient cpu."}
              ],
              "cluster": [
                [0,0,600]
              ],
              "groups": {
                "a": [
                  [10,0]
                ]
              },
              "nodes": [
                {"name":"n"}
              ],
              "pods": [
                {"name":"shop/web-1","created":0,"bound":90.5,"node":0,"end":[200,"finished"],"story":[[0,0],[10,0,20]]}
              ]
            }"#]]
        .assert_eq(&json);
        let read: Explanations = serde_json::from_str(&json).expect("it is read back");
        assert_eq!(read, explanations);
    }
}
