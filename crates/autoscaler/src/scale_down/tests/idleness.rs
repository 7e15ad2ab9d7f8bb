//! Loops that are left out change nothing.

use plimsoll_core::SimDuration;

use super::stage::Stage;
use crate::Settings;

/// Numbers for a scenario: a linear congruential generator, seeded by the test.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Three hours of pods that come and go, some of which keep their node for one reason or another.
fn play(seed: u64, skips_idle_loops: bool) -> (String, u32) {
    let settings = Settings {
        scale_down_unneeded_time: SimDuration::from_secs(300),
        unremovable_node_recheck_timeout: SimDuration::from_secs(95),
        scale_down_delay_after_delete: SimDuration::from_secs(45),
        max_pod_eviction_time: SimDuration::from_secs(30),
        ..Settings::default()
    };
    let mut numbers = Numbers(seed);
    let mut stage = Stage::new(settings, "group a 1\n group b 0\n node x - 3000\n budget web 1");
    stage.skips_idle_loops = skips_idle_loops;
    if !skips_idle_loops {
        // All that can be known is worked out, too: the short cuts must not differ from it.
        stage.scale_down.keep_findings();
    }
    stage.tells_reasons = true;
    stage.scale_down.tell_findings();
    for index in 0..8 {
        stage.add(&format!("node n{index} {} 4000", ["a", "b"][index % 2]));
    }
    let mut made = 0;
    let mut second = 0;
    while second < 3 * 3600 {
        second += 1 + i64::try_from(numbers.below(400)).expect("a small number");
        stage.run_until(second);
        let pods: Vec<_> = stage.cluster.pods().map(|(id, _)| id).collect();
        if !pods.is_empty() && numbers.below(5) < 2 {
            let which = usize::try_from(numbers.below(pods.len() as u64)).expect("an index");
            stage.cluster.remove_pod(pods[which]);
            continue;
        }
        if numbers.below(8) == 0 {
            stage.add(&format!("node m{made} b 4000"));
        }
        let nodes: Vec<String> = stage
            .cluster
            .nodes()
            .filter(|(_, node)| !node.unschedulable)
            .map(|(_, node)| node.name.to_string())
            .collect();
        let which = usize::try_from(numbers.below(nodes.len() as u64)).expect("an index");
        let words = ["", "app=web", "bare", "", "", "safe=on-completion", "bare safe=true"];
        let word = words[usize::try_from(numbers.below(7)).expect("an index")];
        let cpu_milli = 300 + 200 * numbers.below(8);
        stage.add(&format!("pod p{made} {} {cpu_milli} {word}", nodes[which]));
        made += 1;
    }
    (stage.log, stage.loops_run)
}

#[test]
fn the_same_happens_with_and_without_idle_loops() {
    let (mut with, mut without, mut lines) = (0, 0, 0);
    for seed in 1..=40 {
        let (all, run) = play(seed, false);
        let (skipped, run_skipping) = play(seed, true);
        assert_eq!(all, skipped, "seed {seed}");
        with += run;
        without += run_skipping;
        lines += all.lines().count();
    }
    assert!(lines > 2000, "only {lines} things happened");
    assert!(without * 3 < with, "{without} of {with} loops were run");
}
