//! Semantic versions in selectors.
//!
//! Source: `k8s.io/apiserver/pkg/cel/library`, semantic versions.

#![expect(clippy::needless_pass_by_value, reason = "the crate's functions own their arguments")]

use cel::common::types::{BOOL_TYPE, CelBool, STRING_TYPE, Type};
use cel::common::value::CowVal;
use cel::{DeclarationError, Env, ExecutionError};

use super::environment::{Outcome, argument, boolean, int, text};
use super::values::{SEMVER_TYPE, SemverValue};
use crate::devices::version::Version;

/// Declares the functions.
pub(super) fn register(env: &mut Env) -> Result<(), DeclarationError> {
    let with_flag = || vec![STRING_TYPE, BOOL_TYPE];
    env.add_overload("semver", "string_to_semver", vec![STRING_TYPE], semver)?;
    env.add_overload("semver", "string_bool_to_semver", with_flag(), semver)?;
    env.add_overload("isSemver", "is_semver_string", vec![STRING_TYPE], is_semver)?;
    env.add_overload("isSemver", "is_semver_string_bool", with_flag(), is_semver)?;
    let mut member = |name: &str, id: &str, args: Vec<Type>, op| {
        env.add_member_overload(name, id, SEMVER_TYPE.to_owned(), args, op)
    };
    let other = || vec![SEMVER_TYPE.to_owned()];
    member("isGreaterThan", "semver_is_greater_than", other(), is_greater)?;
    member("isLessThan", "semver_is_less_than", other(), is_less)?;
    member("compareTo", "semver_compare_to", other(), compare)?;
    member("major", "semver_major", vec![], major)?;
    member("minor", "semver_minor", vec![], minor)?;
    member("patch", "semver_patch", vec![], patch)
}

fn read(args: &[CowVal<'_, '_>]) -> Result<Option<Version>, ExecutionError> {
    let text = text(args, 0)?;
    let normalise = args.len() == 2 && *argument::<CelBool>(args, 1)?.inner();
    Ok(if normalise { Version::parse_normalised(text) } else { Version::parse(text) })
}

fn semver<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    match read(&args)? {
        Some(version) => Ok(CowVal::owned(SemverValue(version))),
        None => Err(ExecutionError::function_error("semver", "not a semantic version")),
    }
}

fn is_semver<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(boolean(read(&args)?.is_some()))
}

fn version<'b>(args: &'b [CowVal<'_, '_>], index: usize) -> Result<&'b Version, ExecutionError> {
    argument::<SemverValue>(args, index).map(|one| &one.0)
}

fn is_greater<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(boolean(version(&args, 0)?.compare(version(&args, 1)?).is_gt()))
}

fn is_less<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(boolean(version(&args, 0)?.compare(version(&args, 1)?).is_lt()))
}

fn compare<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(int(version(&args, 0)?.compare(version(&args, 1)?) as i64))
}

fn number<'b, 'v>(part: u64) -> CowVal<'b, 'v> {
    int(i64::try_from(part).unwrap_or(i64::MAX))
}

fn major<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(number(version(&args, 0)?.major))
}

fn minor<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(number(version(&args, 0)?.minor))
}

fn patch<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(number(version(&args, 0)?.patch))
}
