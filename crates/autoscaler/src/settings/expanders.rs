//! The names of expanders and the chain that the flag `expander` makes of them.

use super::values::{Given, SettingError};

/// How the best of several options is chosen. Each keeps the best options by its own measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expander {
    /// Any of them.
    Random,
    /// The option that helps most pods.
    MostPods,
    /// The option that leaves least of its nodes unused.
    LeastWaste,
    /// The option with the fewest nodes.
    LeastNodes,
    /// The option that costs least for what it gives.
    Price,
    /// The groups that the user put first.
    Priority,
}

impl Expander {
    /// Upstream's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Expander::Random => "random",
            Expander::MostPods => "most-pods",
            Expander::LeastWaste => "least-waste",
            Expander::LeastNodes => "least-nodes",
            Expander::Price => "price",
            Expander::Priority => "priority",
        }
    }

    fn parse(name: &str) -> Option<Expander> {
        let all = [
            Expander::Random,
            Expander::MostPods,
            Expander::LeastWaste,
            Expander::LeastNodes,
            Expander::Price,
            Expander::Priority,
        ];
        all.into_iter().find(|one| one.as_str() == name)
    }
}

/// Reads a chain such as `priority,least-waste`. As upstream: no expander twice, and nothing after
/// `random`, which leaves nothing to choose.
pub(super) fn parse_chain(given: &Given<'_>) -> Result<Vec<Expander>, SettingError> {
    const KNOWN: &str =
        "expanders out of random, most-pods, least-waste, least-nodes, price, priority";
    let mut chain = Vec::new();
    for name in given.separated()? {
        let Some(expander) = Expander::parse(name.trim()) else {
            return given.refuse(KNOWN);
        };
        if chain.contains(&expander) {
            return given.refuse("each expander at most once");
        }
        if chain.contains(&Expander::Random) {
            return given.refuse("no expander after random");
        }
        chain.push(expander);
    }
    if chain.is_empty() {
        return given.refuse(KNOWN);
    }
    Ok(chain)
}
