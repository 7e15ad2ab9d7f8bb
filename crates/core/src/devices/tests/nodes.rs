//! What nodes bring along, and how much of it is used.

use expect_test::expect;

use super::*;

/// Slices of a pool of node `n1`: `count` devices, so many to a slice.
fn pool(driver: &str, name: &str, generation: i64, count: usize, per_slice: usize) -> Vec<Value> {
    let devices: Vec<Value> = (0..count).map(|n| json!({"name": format!("dev-{n}")})).collect();
    let all = devices.chunks(per_slice);
    let size = all.len();
    all.enumerate()
        .map(|(index, devices)| {
            let slice_name = format!("{driver}-{name}-{generation}-{index}");
            slice(
                &slice_name,
                &json!({"driver": driver, "nodeName": "n1", "devices": devices,
                "pool": {"name": name, "generation": generation, "resourceSliceCount": size}}),
            )
        })
        .collect()
}

/// A claim of pod `p` that has these devices.
fn with(number: usize, driver: &str, pool: &str, devices: &[String], is_admin: bool) -> Value {
    let mut claim = claim(&format!("c{number}"), &json!([exactly("r", &json!({}))]));
    let result = |device: &String| {
        json!({"request": "r", "driver": driver, "pool": pool, "device": device,
            "adminAccess": is_admin})
    };
    let results: Vec<Value> = devices.iter().map(result).collect();
    claim["status"] = json!({"allocation": {"devices": {"results": results}}});
    claim
}

fn first(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("dev-{n}")).collect()
}

/// Four partitions of 1Gi each of every GPU, and the GPU as a whole.
fn partitions(gpus: &[&str], more: &[Value]) -> Vec<Value> {
    let draws = |gpu: &str, memory: &str| json!([{"counterSet": gpu, "counters": {"memory": {"value": memory}}}]);
    let mut devices: Vec<Value> = more.to_vec();
    let mut sets: Vec<Value> = Vec::new();
    for gpu in gpus {
        devices.push(json!({"name": gpu, "consumesCounters": draws(gpu, "4Gi")}));
        devices.extend((0..4).map(
            |part| json!({"name": format!("{gpu}-{part}"), "consumesCounters": draws(gpu, "1Gi")}),
        ));
        sets.push(json!({"name": gpu,
            "counters": {"memory": {"value": "4Gi"}, "cpu": {"value": "1"}}}));
    }
    let part = json!({"name": "pool1", "generation": 1, "resourceSliceCount": 2});
    vec![
        slice("a", &json!({"driver": "foo", "nodeName": "n1", "pool": part, "devices": devices})),
        slice(
            "b",
            &json!({"driver": "foo", "nodeName": "n1", "pool": part,
            "sharedCounters": sets}),
        ),
    ]
}

/// What the node of a pod with all of these claims is used.
fn used(slices: &[Value], claims: &[Value]) -> String {
    let names = claims.iter().map(|one| one["metadata"]["name"].as_str().expect("a name"));
    let entries: Vec<Value> =
        names.map(|name| json!({"name": name, "resourceClaimName": name})).collect();
    let items: Vec<Value> =
        slices.iter().chain(claims).cloned().chain([pod("p", &json!(entries))]).collect();
    let lab = Lab::new(&items);
    let spec = &lab.pod("p").spec;
    let claims: Vec<ClaimId> = lab.devices.claims_of(spec).collect();
    match lab.devices.highest_pool_use("n1", &claims) {
        Ok(None) => "nothing".to_owned(),
        Ok(Some((pool, used))) => format!("{pool} {used:.3}"),
        Err(why) => why,
    }
}

/// The cases of `simulator/dynamicresources/utils/utilization_test.go`, release 1.36.1.
#[test]
fn a_node_is_used_as_the_pool_of_its_own_that_is_used_most() {
    let six = [with(0, "foo", "pool1", &first(6), false)];
    let three_pools = [pool("foo", "pool1", 0, 10, 2), pool("foo", "pool2", 0, 20, 5)].concat();
    let three_pools = [three_pools, pool("bar", "pool1", 0, 8, 2)].concat();
    let of_three = [
        with(0, "foo", "pool1", &first(6), false),
        with(1, "foo", "pool2", &first(18), false),
        with(2, "bar", "pool1", &first(2), false),
    ];
    let older = [pool("foo", "pool1", 0, 10, 2), pool("foo", "pool1", 1, 20, 2)].concat();
    let newest = pool("foo", "pool1", 2, 30, 2);
    let named = |names: &[&str]| names.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let of_gpu = |names: &[&str]| [with(0, "foo", "pool1", &named(names), false)];
    let uneven = json!({"name": "uneven", "consumesCounters": [{"counterSet": "gpu-0",
        "counters": {"memory": {"value": "1Gi"}, "cpu": {"value": "500m"}}}]});
    let admin = with(1, "foo", "pool1", &first(6), true);
    let rows = [
        ("no slices", used(&[], &[])),
        ("6/10 devices", used(&pool("foo", "pool1", 0, 10, 10), &six)),
        ("several pools and drivers", used(&three_pools, &of_three)),
        ("old generations", used(&[older.clone(), newest.clone()].concat(), &six)),
        ("newest incomplete", used(&[older.clone(), newest[..14].to_vec()].concat(), &six)),
        ("older incomplete", used(&[older[..3].to_vec(), newest].concat(), &six)),
        ("2/4 partitions", used(&partitions(&["gpu-0"], &[]), &of_gpu(&["gpu-0-0", "gpu-0-1"]))),
        ("the whole GPU", used(&partitions(&["gpu-0"], &[]), &of_gpu(&["gpu-0"]))),
        ("several counters", used(&partitions(&["gpu-0"], &[uneven]), &of_gpu(&["uneven"]))),
        (
            "2/8 partitions of two GPUs",
            used(&partitions(&["gpu-0", "gpu-1"], &[]), &of_gpu(&["gpu-0-0", "gpu-0-1"])),
        ),
        ("admin access", used(&pool("foo", "pool1", 0, 10, 10), std::slice::from_ref(&admin))),
        (
            "admin access and another",
            used(&pool("foo", "pool1", 0, 10, 10), &[six[0].clone(), admin]),
        ),
        (
            "a claim that holds nothing",
            used(
                &pool("foo", "pool1", 0, 10, 10),
                &[claim("c0", &json!([exactly("r", &json!({}))]))],
            ),
        ),
    ];
    let table: String = rows.iter().map(|(name, found)| format!("{name:<27} {found}\n")).collect();
    expect![[r#"
        no slices                   nothing
        6/10 devices                foo/pool1 0.600
        several pools and drivers   foo/pool2 0.900
        old generations             foo/pool1 0.200
        newest incomplete           pool "pool1" error: newest generation: 2, slice count: 15 - found only 14 slices
        older incomplete            foo/pool1 0.200
        2/4 partitions              foo/pool1 0.500
        the whole GPU               foo/pool1 1.000
        several counters            foo/pool1 0.500
        2/8 partitions of two GPUs  foo/pool1 0.250
        admin access                foo/pool1 0.000
        admin access and another    foo/pool1 0.600
        a claim that holds nothing  claim default/c0 not allocated
    "#]]
    .assert_eq(&table);
}

/// Source: `getCompleteResourcePools` of `processors/customresources/dra_processor.go`.
#[test]
fn a_pool_is_whole_when_all_slices_of_its_newest_generation_are_there() {
    let slices = [
        pool("foo", "whole", 3, 4, 2),
        pool("foo", "also", 0, 1, 1),
        pool("foo", "newer", 1, 4, 2),
        pool("foo", "newer", 2, 4, 2)[..1].to_vec(),
        pool("bar", "part", 0, 4, 2)[..1].to_vec(),
    ]
    .concat();
    let lab = Lab::new(&slices);
    let expected: PoolCounts = [("foo".into(), 2)].into();
    assert_eq!(lab.devices.whole_pools_of("n1"), expected);
    assert_eq!(lab.devices.of_node("n1").whole_pools(), expected);
    assert_eq!(lab.devices.whole_pools_of("n2"), PoolCounts::new());
}

#[test]
fn nodes_made_after_another_have_its_devices_under_names_of_their_own_and_forks_leave_no_trace() {
    let own = json!([{"name": "gpu", "resourceClaimTemplateName": "t"}]);
    let mut daemon = pod("watch", &own);
    daemon["status"]["resourceClaimStatuses"] = json!([{"name": "gpu", "resourceClaimName": "c0"}]);
    let mut of_daemon = with(0, "gpu.example.com", "p", &["g0".to_owned()], false);
    of_daemon["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Pod",
        "name": "watch", "uid": "uid-watch", "controller": true}]);
    of_daemon["status"]["allocation"]["nodeSelector"] = json!({"nodeSelectorTerms": [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]});
    let items = [local(&json!([{"name": "g0"}, {"name": "g1"}])), of_daemon, daemon];
    let mut lab = Lab::with_gpus(&items);
    let before = digest(&lab.devices);
    let mut brought = lab.devices.of_node("n1");
    let daemon = lab.pod("watch").clone();
    let identity = Lab::identity(&daemon);
    let noted = lab.devices.note_pod_of(("n1", &mut brought), &daemon.spec, identity, true);
    assert_eq!(noted, Ok(()));

    let first = lab.devices.give_to_node(&brought, "e-0");
    let second = lab.devices.give_to_node_like(&brought, "e-0", "e-1");
    let slow = lab.devices.give_to_node(&brought, "e-2");
    let copy = |node: &str| {
        let of_node = lab.devices.of_node(node);
        format!("{:?}", of_node.slices_on("x").collect::<Vec<_>>()).replace(node, "N")
    };
    assert_eq!(copy("e-1"), copy("e-2"), "the quick way gives the same");
    let held: Vec<String> = lab
        .devices
        .claims()
        .filter_map(|one| {
            let result = one.status.allocation.as_ref()?.results.first()?;
            Some(format!("{} has {}/{}", one.name, result.pool, result.device))
        })
        .collect();
    assert_eq!(
        held,
        ["c0 has p/g0", "c0-e-0 has p-e-0/g0", "c0-e-1 has p-e-1/g0", "c0-e-2 has p-e-2/g0"]
    );
    let gone = lab.devices.remove_slices_of("e-1");
    assert!(!lab.devices.has_slices_of("e-1"));
    for undo in [gone, slow, second, first] {
        lab.devices.undo(undo);
    }
    assert_eq!(digest(&lab.devices), before);
    assert!(!lab.devices.has_slices_of("e-0"));
}
