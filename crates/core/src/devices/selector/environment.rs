//! The functions and macros that device selectors may use beyond the CEL standard.
//!
//! Source: `k8s.io/apiserver/pkg/cel/environment`, the base environment of 1.36, as far as it has
//! meaning for devices: strings, lists, regular expressions, quantities, versions, `cel.bind`.

#![expect(clippy::needless_pass_by_value, reason = "the crate's functions own their arguments")]

use std::sync::{Arc, LazyLock};

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue};
use cel::common::types::{CelBool, CelInt, CelList, CelString, INT_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, FromVal, Val};
use cel::parser::{Macro, MacroExprHelper, ParseError};
use cel::{Context, DeclarationError, Env, ExecutionError, extensions};

use super::{quantities, versions};

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
    quantities::register(&mut env)?;
    versions::register(&mut env)?;
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
pub(super) type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// The argument at `index`, of the type that its overload was declared with.
pub(super) fn argument<'b, 'v, T: FromVal<'b, 'v> + Val>(
    args: &'b [CowVal<'_, 'v>],
    index: usize,
) -> Result<&'b T, ExecutionError> {
    let value = args[index].as_ref();
    value.downcast_ref::<T>().ok_or_else(|| ExecutionError::UnexpectedType {
        got: value.get_type().name().to_owned(),
        want: T::cel_type().name().to_owned(),
    })
}

pub(super) fn text<'b>(
    args: &'b [CowVal<'_, '_>],
    index: usize,
) -> Result<&'b str, ExecutionError> {
    argument::<CelString<'_>>(args, index).map(CelString::inner)
}

pub(super) fn boolean<'b, 'v>(value: bool) -> CowVal<'b, 'v> {
    CowVal::owned(CelBool::from(value))
}

pub(super) fn int<'b, 'v>(value: i64) -> CowVal<'b, 'v> {
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
    fn find_all<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
        let pattern = regular_expression(text(&args, 1)?)?;
        let limit = match args.get(2) {
            Some(_) => *argument::<CelInt>(&args, 2)?.inner(),
            None => -1,
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let found = pattern.find_iter(text(&args, 0)?).take(limit);
        let items = found
            .map(|one| -> Box<dyn Val + 'v> { Box::new(CelString::from(one.as_str().to_owned())) });
        Ok(CowVal::owned(CelList::from(items.collect::<Vec<_>>())))
    }
    let two = || vec![STRING_TYPE, STRING_TYPE];
    let limited = vec![STRING_TYPE, INT_TYPE];
    env.add_member_overload(
        "findAll",
        "string_find_all_string",
        STRING_TYPE,
        vec![STRING_TYPE],
        find_all,
    )?;
    env.add_member_overload(
        "findAll",
        "string_find_all_string_int",
        STRING_TYPE,
        limited,
        find_all,
    )?;
    env.add_overload("matches", "matches", two(), matches)?;
    env.add_member_overload("matches", "matches_string", STRING_TYPE, vec![STRING_TYPE], matches)?;
    env.add_member_overload("find", "string_find_string", STRING_TYPE, vec![STRING_TYPE], find)
}

fn regular_expression(pattern: &str) -> Result<regex_lite::Regex, ExecutionError> {
    regex_lite::Regex::new(pattern)
        .map_err(|error| ExecutionError::function_error("matches", error))
}
