//! Quantities in selectors.
//!
//! Source: `k8s.io/apiserver/pkg/cel/library`, quantities.

#![expect(clippy::needless_pass_by_value, reason = "the crate's functions own their arguments")]

use cel::common::types::{CelDouble, CelInt, INT_TYPE, STRING_TYPE, Type};
use cel::common::value::CowVal;
use cel::{DeclarationError, Env, ExecutionError};

use super::environment::{Outcome, argument, boolean, int, text};
use super::values::{QUANTITY_TYPE, QuantityValue};
use crate::quantity::Quantity;

/// Declares the functions.
pub(super) fn register(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload("quantity", "string_to_quantity", vec![STRING_TYPE], quantity)?;
    env.add_overload("isQuantity", "is_quantity_string", vec![STRING_TYPE], is_quantity)?;
    env.add_overload("sign", "quantity_sign", vec![QUANTITY_TYPE.to_owned()], sign)?;
    let mut member = |name: &str, id: &str, args: Vec<Type>, op| {
        env.add_member_overload(name, id, QUANTITY_TYPE.to_owned(), args, op)
    };
    let other = || vec![QUANTITY_TYPE.to_owned()];
    member("isGreaterThan", "quantity_is_greater_than", other(), is_greater)?;
    member("isLessThan", "quantity_is_less_than", other(), is_less)?;
    member("compareTo", "quantity_compare_to", other(), compare)?;
    member("asApproximateFloat", "quantity_get_float", vec![], approximate)?;
    member("asInteger", "quantity_get_int", vec![], as_integer)?;
    member("isInteger", "quantity_is_integer", vec![], is_integer)?;
    member("add", "quantity_add", other(), add)?;
    member("add", "quantity_add_int", vec![INT_TYPE], add)?;
    member("sub", "quantity_sub", other(), sub)?;
    member("sub", "quantity_sub_int", vec![INT_TYPE], sub)
}

fn quantity<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    match Quantity::parse(text(&args, 0)?) {
        Ok(amount) => Ok(CowVal::owned(QuantityValue(amount))),
        Err(error) => Err(ExecutionError::function_error("quantity", error)),
    }
}

fn is_quantity<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(boolean(Quantity::parse(text(&args, 0)?).is_ok()))
}

fn amount(args: &[CowVal<'_, '_>], index: usize) -> Result<Quantity, ExecutionError> {
    argument::<QuantityValue>(args, index).map(|one| one.0)
}

fn sign<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(int(amount(&args, 0)?.cmp(&Quantity::ZERO) as i64))
}

fn is_greater<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(boolean(amount(&args, 0)? > amount(&args, 1)?))
}

fn is_less<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(boolean(amount(&args, 0)? < amount(&args, 1)?))
}

fn compare<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(int(amount(&args, 0)?.cmp(&amount(&args, 1)?) as i64))
}

fn approximate<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(CowVal::owned(CelDouble::from(amount(&args, 0)?.approximate())))
}

fn as_integer<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    amount(&args, 0)?.whole_units().map(int).ok_or_else(|| {
        ExecutionError::function_error("asInteger", "cannot convert value to integer")
    })
}

fn is_integer<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(boolean(amount(&args, 0)?.whole_units().is_some()))
}

/// The second argument, which may be a plain number.
fn operand(args: &[CowVal<'_, '_>]) -> Result<Quantity, ExecutionError> {
    match args[1].as_ref().downcast_ref::<CelInt>() {
        Some(units) => Ok(Quantity::from_units(*units.inner())),
        None => amount(args, 1),
    }
}

fn add<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(CowVal::owned(QuantityValue(amount(&args, 0)? + operand(&args)?)))
}

fn sub<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    Ok(CowVal::owned(QuantityValue(amount(&args, 0)? - operand(&args)?)))
}
