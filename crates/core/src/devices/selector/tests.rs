//! Selectors compile, are refused, and evaluate as upstream's do.

use super::*;
use crate::devices::version::Version;

/// A device of `gpu.example.com` with an attribute of each kind.
fn gpu() -> DeviceKind {
    let attributes = [
        ("model", DeviceAttribute::Text("a100".to_owned())),
        ("cores", DeviceAttribute::Int(8)),
        ("nvlink", DeviceAttribute::Bool(true)),
        ("firmware", DeviceAttribute::Version(Version::parse("1.10.0").expect("a version"))),
        ("pci.example.com/root", DeviceAttribute::Text("pci0".to_owned())),
    ];
    DeviceKind {
        driver: "gpu.example.com".to_owned(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into(),
        capacity: [("memory".to_owned(), Quantity::parse("80Gi").expect("a quantity"))].into(),
        allow_multiple_allocations: false,
    }
}

fn evaluate(text: &str) -> Result<bool, String> {
    Selector::compile(text)?.matches(&gpu())
}

/// Source: `compile_test.go` of `k8s.io/dynamic-resource-allocation/cel`, by feature.
#[test]
fn selectors_see_a_device_as_upstream_does() {
    let yes = [
        r#"device.driver == "gpu.example.com""#,
        r#"device.attributes["gpu.example.com"].model == "a100""#,
        r#"device.attributes["gpu.example.com"]["model"] == "a100""#,
        r#"device.attributes["pci.example.com"].root == "pci0""#,
        r#"device.attributes["gpu.example.com"].cores >= 8 && device.attributes["gpu.example.com"].nvlink"#,
        r#"device.attributes["gpu.example.com"].nvlink"#,
        r#"device.attributes["gpu.example.com"].model in ["a100", "v100"]"#,
        r#""model" in device.attributes["gpu.example.com"]"#,
        r#"!("other" in device.attributes["gpu.example.com"])"#,
        r#"!("missing.example.com" in device.attributes)"#,
        r#"!has(device.attributes["missing.example.com"].model)"#,
        r#"has(device.attributes["gpu.example.com"].model)"#,
        r#"size(device.attributes["gpu.example.com"]) == 4"#,
        r#"device.capacity["gpu.example.com"].memory.compareTo(quantity("60Gi")) >= 0"#,
        r#"device.capacity["gpu.example.com"].memory.isGreaterThan(quantity("79Gi"))"#,
        r#"device.capacity["gpu.example.com"].memory == quantity("81920Mi")"#,
        r#"device.capacity["gpu.example.com"].memory.sub(quantity("80Gi")).add(3).asInteger() == 3"#,
        r#"sign(device.capacity["gpu.example.com"].memory) == 1 && isQuantity("1Gi") && !isQuantity("x")"#,
        r#"device.attributes["gpu.example.com"].firmware.isGreaterThan(semver("1.9.0"))"#,
        r#"device.attributes["gpu.example.com"].firmware.compareTo(semver("v1.10", true)) == 0"#,
        r#"device.attributes["gpu.example.com"].firmware.minor() == 10 && isSemver("1.0.0")"#,
        r#"cel.bind(gpu, device.attributes["gpu.example.com"], gpu.model == "a100" && gpu.cores > 4)"#,
        r#"device.attributes["gpu.example.com"].model.startsWith("a") && "x".matches("^[a-z]$")"#,
        r#"device.attributes["gpu.example.com"].model.lowerAscii().contains("10")"#,
        r#"device.attributes["gpu.example.com"].exists(name, name.endsWith("del"))"#,
        r#"[1, 2].all(one, one < device.attributes["gpu.example.com"].cores)"#,
        r#"!device.allowMultipleAllocations"#,
        // An error on one side does not matter when the other side decides.
        r#"device.attributes["gpu.example.com"].missing == 1 || device.driver == "gpu.example.com""#,
        r#"!(device.attributes["gpu.example.com"].missing == 1 && device.driver == "x")"#,
        r#"device.attributes["gpu.example.com"].model != 5"#,
        r#"device.attributes["gpu.example.com"].cores < 8.5"#,
        r#"device.attributes["gpu.example.com"].?model.orValue("x") == "a100""#,
        r#"device.attributes["gpu.example.com"].?missing.orValue("x") == "x""#,
        r#"device.attributes["missing.example.com"] == {} && optional.of(1).hasValue()"#,
        r#"device.driver.findAll("[a-z]+").size() == 3 && device.driver.find("[a-z]+") == "gpu""#,
        r#""%s-%d".format(["a", 1]) == "a-1""#,
    ];
    for text in yes {
        assert_eq!(evaluate(text), Ok(true), "{text}");
    }
}

#[test]
fn what_fails_at_run_time_is_an_error_and_no_answer() {
    let fails = [
        (r#"device.attributes["gpu.example.com"].missing == "x""#, "No such key: missing"),
        (r#"device.attributes["missing.example.com"].model == "x""#, "No such key: model"),
        (
            r#"device.attributes["gpu.example.com"].cores"#,
            "CEL result of type int could not be converted to bool",
        ),
        (
            r#"device.attributes["gpu.example.com"].model >= 8"#,
            "found no matching overload for '_>=_' applied to '(string, int)'",
        ),
    ];
    for (text, error) in fails {
        assert_eq!(evaluate(text), Err(error.to_owned()), "{text}");
    }
}

/// Source: `compile_test.go`, the cases with `expectCompileError`.
#[test]
fn the_api_servers_refusals_are_found_before_any_device_is_looked_at() {
    let refused = [
        (r#""no-boolean""#, "must evaluate to bool or the unknown type, not string"),
        ("device.foo == 1", "compilation failed: ERROR: <input>:1:7: undefined field 'foo'"),
        (
            "nosuch",
            "compilation failed: ERROR: <input>:1:1: undeclared reference to 'nosuch' (in container '')",
        ),
        (
            "device.driver == 1",
            "compilation failed: ERROR: <input>:1:15: found no matching overload for '_==_' applied to '(string, int)'",
        ),
        (
            r#"device.capacity["a"].memory > 5"#,
            "compilation failed: ERROR: <input>:1:29: found no matching overload for '_>_' applied to '(kubernetes.Quantity, int)'",
        ),
        (
            r#"device.driver.matches("[")"#,
            "compilation failed: ERROR: <input>:1:23: invalid matches argument",
        ),
        (
            "frobnicate(device)",
            "compilation failed: ERROR: <input>:1:11: undeclared reference to 'frobnicate' (in container '')",
        ),
        (
            r#"device.driver.compareTo(quantity("1")) == 0"#,
            "compilation failed: ERROR: <input>:1:24: found no matching overload for 'compareTo' applied to 'string.(kubernetes.Quantity)'",
        ),
    ];
    for (text, error) in refused {
        assert_eq!(refusal_of(text).as_deref(), Some(error), "{text}");
    }
    for text in ["device.driver ==", "(", "a b", ""] {
        let error = refusal_of(text).expect(text);
        assert!(error.starts_with("compilation failed: ERROR: <input>:1:"), "{text}: {error}");
        assert!(!error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn an_answer_is_found_again_and_survives_new_kinds_and_selectors() {
    let mut selectors = Selectors::default();
    let kind = selectors.intern_kind(gpu());
    let first = selectors.intern(r#"device.driver == "gpu.example.com""#);
    assert_eq!(selectors.selects(first, kind), Ok(true));
    assert_eq!(selectors.intern_kind(gpu()), kind);
    let other = selectors.intern_kind(DeviceKind { driver: "x".to_owned(), ..gpu() });
    let second = selectors.intern("false");
    for round in 0..2 {
        assert_eq!(selectors.selects(first, kind), Ok(true), "{round}");
        assert_eq!(selectors.selects(first, other), Ok(false), "{round}");
        assert_eq!(selectors.clone().selects(second, other), Ok(false), "{round}");
    }
}
