//! Taints on nodes and the tolerations of pods.

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaintEffect {
    /// New pods are kept off.
    NoSchedule,
    /// New pods go elsewhere if they can.
    PreferNoSchedule,
    /// New pods are kept off and running ones are evicted.
    NoExecute,
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Taint {
    /// The key.
    pub key: String,
    /// The value, often empty.
    pub value: String,
    /// What it does.
    pub effect: TaintEffect,
}

/// A toleration of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Toleration {
    /// The key; empty matches every key (then `equal` is false).
    pub key: String,
    /// True for operator `Equal`, false for `Exists`.
    pub equal: bool,
    /// The value that `Equal` compares.
    pub value: String,
    /// The effect it covers; `None` covers all.
    pub effect: Option<TaintEffect>,
}

impl Toleration {
    /// Whether this toleration covers `taint`.
    ///
    /// Source: `v1.Toleration.ToleratesTaint`.
    #[must_use]
    pub fn covers(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && (!self.equal || self.value == taint.value)
    }
}

/// The first taint that keeps new pods off and that no toleration covers.
#[must_use]
pub fn first_untolerated<'a>(taints: &'a [Taint], tolerations: &[Toleration]) -> Option<&'a Taint> {
    taints.iter().find(|taint| {
        taint.effect != TaintEffect::PreferNoSchedule
            && !tolerations.iter().any(|toleration| toleration.covers(taint))
    })
}

/// How many `PreferNoSchedule` taints no toleration covers: the raw score of TaintToleration.
#[must_use]
pub fn intolerable_preferences(taints: &[Taint], tolerations: &[Toleration]) -> i32 {
    let count = taints
        .iter()
        .filter(|taint| taint.effect == TaintEffect::PreferNoSchedule)
        .filter(|taint| {
            !tolerations
                .iter()
                .filter(|one| one.effect.is_none_or(|e| e == TaintEffect::PreferNoSchedule))
                .any(|toleration| toleration.covers(taint))
        })
        .count();
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str, value: &str, effect: TaintEffect) -> Taint {
        Taint { key: key.into(), value: value.into(), effect }
    }

    fn toleration(key: &str, equal: bool, value: &str, effect: Option<TaintEffect>) -> Toleration {
        Toleration { key: key.into(), equal, value: value.into(), effect }
    }

    #[test]
    fn a_toleration_covers_by_key_operator_value_and_effect() {
        use TaintEffect::{NoExecute, NoSchedule};
        let gpu = taint("gpu", "a100", NoSchedule);
        assert!(toleration("gpu", true, "a100", None).covers(&gpu));
        assert!(toleration("gpu", false, "", Some(NoSchedule)).covers(&gpu));
        assert!(toleration("", false, "", None).covers(&gpu));
        assert!(!toleration("gpu", true, "t4", None).covers(&gpu));
        assert!(!toleration("gpu", false, "", Some(NoExecute)).covers(&gpu));
        assert!(!toleration("tpu", false, "", None).covers(&gpu));
    }

    #[test]
    fn preferences_never_keep_a_pod_off_but_count() {
        let taints = [
            taint("a", "", TaintEffect::PreferNoSchedule),
            taint("b", "", TaintEffect::NoSchedule),
        ];
        assert_eq!(first_untolerated(&taints, &[]).map(|one| one.key.as_str()), Some("b"));
        let tolerates_b = [toleration("b", false, "", None)];
        assert_eq!(first_untolerated(&taints, &tolerates_b), None);
        assert_eq!(intolerable_preferences(&taints, &tolerates_b), 1);
    }
}
