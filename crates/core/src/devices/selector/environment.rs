//! The functions and macros that device selectors may use beyond the CEL standard.
//!
//! Source: `k8s.io/apiserver/pkg/cel/environment`, the base environment of 1.36, as far as it has
//! meaning for devices: strings, lists, regular expressions, quantities, versions, `cel.bind`.

use std::sync::{Arc, LazyLock};

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue};
use cel::common::types::{
    BOOL_TYPE, CelBool, CelDouble, CelInt, CelString, INT_TYPE, STRING_TYPE, Type,
};
use cel::common::value::{CowVal, FromVal, Val};
use cel::parser::{Macro, MacroExprHelper, ParseError};
use cel::{Context, DeclarationError, Env, ExecutionError, extensions};

use super::values::{QUANTITY_TYPE, QuantityValue, SEMVER_TYPE, SemverValue};
use crate::devices::version::Version;
use crate::quantity::Quantity;

/// The environment of all selectors.
pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    Arc::new(build().expect("the declarations are fixed, and none is there twice"))
});

fn build() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings)?;
    env.add_extension(extensions::lists)?;
    env.add_macro(Macro::receiver("bind", 3, expand_bind))?;
    add_regular_expressions(&mut env)?;
    add_quantities(&mut env)?;
    add_versions(&mut env)?;
    Ok(env)
}

/// A fresh scope over the environment.
pub(super) fn context<'p, 'v>() -> Context<'p, 'v> {
    Context::with_env(Arc::clone(&ENVIRONMENT))
}

/// `cel.bind(name, value, expression)`: a comprehension over nothing whose accumulator is the name.
fn expand_bind(
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    args: &mut Vec<IdedExpr>,
) -> Result<Option<IdedExpr>, ParseError> {
    let on_cel = target.as_ref().is_some_and(|one| one.expr == Expr::Ident("cel".to_owned()));
    if !on_cel {
        return Ok(None);
    }
    let (Some(result), Some(accu_init), Some(variable)) = (args.pop(), args.pop(), args.pop())
    else {
        return Err(helper.new_error(0, "cel.bind() takes three arguments"));
    };
    let Expr::Ident(name) = variable.expr else {
        let message = "cel.bind() variable names must be simple identifiers";
        return Err(helper.new_error(variable.id, message));
    };
    let iter_range = helper.next_expr(Expr::List(ListExpr::new(Vec::new())));
    let never = Expr::Literal(LiteralValue::Boolean(CelBool::from(false)));
    let loop_cond = helper.next_expr(never);
    let loop_step = helper.next_expr(Expr::Ident(name.clone()));
    let bound = ComprehensionExpr {
        iter_range,
        iter_var: "#unused".to_owned(),
        iter_var2: None,
        accu_var: name,
        accu_init,
        loop_cond,
        loop_step,
        result,
    };
    Ok(Some(helper.next_expr(Expr::Comprehension(Box::new(bound)))))
}

/// What a function makes of its arguments.
type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// The argument at `index`, of the type that its overload was declared with.
fn argument<'b, 'v, T: FromVal<'b, 'v> + Val>(
    args: &'b [CowVal<'_, 'v>],
    index: usize,
) -> Result<&'b T, ExecutionError> {
    let value = args[index].as_ref();
    value.downcast_ref::<T>().ok_or_else(|| ExecutionError::UnexpectedType {
        got: value.get_type().name().to_owned(),
        want: T::cel_type().name().to_owned(),
    })
}

fn text<'b>(args: &'b [CowVal<'_, '_>], index: usize) -> Result<&'b str, ExecutionError> {
    argument::<CelString<'_>>(args, index).map(CelString::inner)
}

fn boolean<'b, 'v>(value: bool) -> CowVal<'b, 'v> {
    CowVal::owned(CelBool::from(value))
}

fn int<'b, 'v>(value: i64) -> CowVal<'b, 'v> {
    CowVal::owned(CelInt::from(value))
}

fn add_regular_expressions(env: &mut Env) -> Result<(), DeclarationError> {
    fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
        let pattern = regular_expression(text(&args, 1)?)?;
        Ok(boolean(pattern.is_match(text(&args, 0)?)))
    }
    fn find<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
        let pattern = regular_expression(text(&args, 1)?)?;
        let found = pattern.find(text(&args, 0)?).map(|one| one.as_str().to_owned());
        Ok(CowVal::owned(CelString::from(found.unwrap_or_default())))
    }
    let two = || vec![STRING_TYPE, STRING_TYPE];
    env.add_overload("matches", "matches", two(), matches)?;
    env.add_member_overload("matches", "matches_string", STRING_TYPE, vec![STRING_TYPE], matches)?;
    env.add_member_overload("find", "string_find_string", STRING_TYPE, vec![STRING_TYPE], find)
}

fn regular_expression(pattern: &str) -> Result<regex_lite::Regex, ExecutionError> {
    regex_lite::Regex::new(pattern)
        .map_err(|error| ExecutionError::function_error("matches", error))
}

fn add_quantities(env: &mut Env) -> Result<(), DeclarationError> {
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

fn add_versions(env: &mut Env) -> Result<(), DeclarationError> {
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
    fn version<'b>(
        args: &'b [CowVal<'_, '_>],
        index: usize,
    ) -> Result<&'b Version, ExecutionError> {
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
