//! Type-checks a parsed selector: what the API server refuses before any device is looked at.
//!
//! Attributes can be of any type, so much is only known at run time; what is known is checked.
//!
//! Source: the checker of `github.com/google/cel-go`, and
//! `k8s.io/dynamic-resource-allocation/cel.CompileCELExpression`.

use std::fmt;

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators,
};

/// Why an expression cannot be taken: where (by expression id) and why.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) expression: u64,
    pub(super) message: String,
}

/// Checks that `expression` can be evaluated for a device, and to yes or no.
pub(super) fn check(expression: &IdedExpr) -> Result<(), Refused> {
    let kind = Checker::default().kind_of(expression)?;
    match kind {
        Kind::Bool | Kind::Any => Ok(()),
        other => Err(Refused {
            expression: 0,
            message: format!("must evaluate to bool or the unknown type, not {other}"),
        }),
    }
}

/// What is known of a value before evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Known at run time only.
    Any,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Null,
    Quantity,
    Semver,
    Device,
    List(Box<Kind>),
    Map(Box<Kind>, Box<Kind>),
}

use Kind::{Any, Bool, Bytes, Device, Double, Int, List, Map, Null, Quantity, Semver, Text, Uint};

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Any => f.write_str("any"),
            Bool => f.write_str("bool"),
            Int => f.write_str("int"),
            Uint => f.write_str("uint"),
            Double => f.write_str("double"),
            Text => f.write_str("string"),
            Bytes => f.write_str("bytes"),
            Null => f.write_str("null"),
            Quantity => f.write_str("kubernetes.Quantity"),
            Semver => f.write_str("kubernetes.Semver"),
            Device => f.write_str("kubernetes.DRADevice"),
            List(item) => write!(f, "list({item})"),
            Map(key, value) => write!(f, "map({key}, {value})"),
        }
    }
}

impl Kind {
    /// Whether a value of this kind can be where one of the other is wanted.
    fn suits(&self, other: &Kind) -> bool {
        match (self, other) {
            (Any, _) | (_, Any) => true,
            (List(one), List(two)) => one.suits(two),
            (Map(key, value), Map(other_key, other_value)) => {
                key.suits(other_key) && value.suits(other_value)
            }
            (one, two) => one == two,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Any | Int | Uint | Double)
    }
}

/// The variables in scope, innermost last.
#[derive(Default)]
struct Checker {
    scope: Vec<(String, Kind)>,
}

type Checked = Result<Kind, Refused>;

fn refused<T>(expression: &IdedExpr, message: String) -> Result<T, Refused> {
    Err(Refused { expression: expression.id, message })
}

impl Checker {
    fn kind_of(&mut self, expression: &IdedExpr) -> Checked {
        match &expression.expr {
            Expr::Literal(literal) => Ok(literal_kind(literal)),
            Expr::Ident(name) => self.variable(expression, name),
            Expr::Select(select) => self.select(expression, select),
            Expr::Call(call) => self.call(expression, call),
            Expr::List(list) => {
                let mut items = Any;
                for element in &list.elements {
                    items = self.joined(element, items)?;
                }
                Ok(List(Box::new(items)))
            }
            Expr::Map(map) => {
                let (mut keys, mut values) = (Any, Any);
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        keys = self.joined(&entry.key, keys)?;
                        values = self.joined(&entry.value, values)?;
                    }
                }
                Ok(Map(Box::new(keys), Box::new(values)))
            }
            Expr::Comprehension(comprehension) => self.comprehension(expression, comprehension),
            Expr::Struct(literal) => undeclared(expression, &literal.type_name),
            Expr::Unspecified => refused(expression, "unspecified expression".to_owned()),
        }
    }

    /// The kind of the elements of a literal, all of which must be alike.
    fn joined(&mut self, element: &IdedExpr, so_far: Kind) -> Checked {
        let kind = self.kind_of(element)?;
        if !kind.suits(&so_far) {
            let message = format!("expected type '{so_far}' but found '{kind}'");
            return refused(element, message);
        }
        Ok(if so_far == Any { kind } else { so_far })
    }

    fn variable(&self, expression: &IdedExpr, name: &str) -> Checked {
        /// Names of types, which are values too.
        const TYPES: [&str; 10] = [
            "bool",
            "bytes",
            "double",
            "int",
            "list",
            "map",
            "null_type",
            "string",
            "type",
            "uint",
        ];
        if let Some((_, kind)) = self.scope.iter().rev().find(|(one, _)| one == name) {
            return Ok(kind.clone());
        }
        match name {
            "device" => Ok(Device),
            known if TYPES.contains(&known) => Ok(Any),
            unknown => undeclared(expression, unknown),
        }
    }

    fn select(&mut self, expression: &IdedExpr, select: &SelectExpr) -> Checked {
        let operand = self.kind_of(&select.operand)?;
        let map_of_maps =
            |value: Kind| Map(Box::new(Text), Box::new(Map(Box::new(Text), Box::new(value))));
        let field = match (&operand, select.field.as_str()) {
            (Any, _) => Any,
            (Device, "driver") => Text,
            (Device, "allowMultipleAllocations") => Bool,
            (Device, "attributes") => map_of_maps(Any),
            (Device, "capacity") => map_of_maps(Quantity),
            (Device, unknown) => {
                return refused(expression, format!("undefined field '{unknown}'"));
            }
            (Map(key, value), _) if key.suits(&Text) => (**value).clone(),
            (other, _) => {
                let message = format!("type '{other}' does not support field selection");
                return refused(expression, message);
            }
        };
        Ok(if select.test { Bool } else { field })
    }

    fn comprehension(&mut self, expression: &IdedExpr, one: &ComprehensionExpr) -> Checked {
        let item = match self.kind_of(&one.iter_range)? {
            List(item) => *item,
            Map(key, _) => *key,
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be \
                     list, map, or dynamic)"
                );
                return refused(expression, message);
            }
        };
        let accumulator = self.kind_of(&one.accu_init)?;
        let depth = self.scope.len();
        self.scope.push((one.accu_var.clone(), accumulator.clone()));
        self.scope.push((one.iter_var.clone(), item));
        self.kind_of(&one.loop_cond)?;
        let step = self.kind_of(&one.loop_step)?;
        self.scope.truncate(depth);
        if !step.suits(&accumulator) {
            return no_overload(expression, "_&&_", false, &[accumulator, step]);
        }
        self.scope.push((one.accu_var.clone(), step));
        let result = self.kind_of(&one.result);
        self.scope.truncate(depth);
        result
    }

    /// The one function whose list may hold values of all kinds.
    fn format(&mut self, call: &CallExpr) -> Checked {
        for part in call.target.iter().map(|one| &**one).chain(&call.args) {
            match &part.expr {
                Expr::List(list) => {
                    for element in &list.elements {
                        self.kind_of(element)?;
                    }
                }
                _ => {
                    self.kind_of(part)?;
                }
            }
        }
        Ok(Text)
    }

    fn call(&mut self, expression: &IdedExpr, call: &CallExpr) -> Checked {
        let mut kinds = Vec::with_capacity(call.args.len() + 1);
        let is_member = call.target.as_ref().is_some_and(|target| !is_namespace(target, call));
        if call.func_name == "format" {
            return self.format(call);
        }
        for part in call.target.iter().filter(|_| is_member).map(|one| &**one).chain(&call.args) {
            kinds.push(self.kind_of(part)?);
        }
        let name = call.func_name.as_str();
        if let Some(kind) = operator(name, &kinds) {
            return kind.map_or_else(|| no_overload(expression, name, false, &kinds), Ok);
        }
        if ["matches", "find", "findAll"].contains(&name) {
            check_pattern(call, is_member)?;
        }
        match function(name, is_member, &kinds) {
            Outcome::Gives(kind) => Ok(kind),
            Outcome::NoOverload => no_overload(expression, name, is_member, &kinds),
            Outcome::Unknown => undeclared(expression, name),
        }
    }
}

/// Whether the target of a call is the first part of the function's name, as in `strings.quote`.
fn is_namespace(target: &IdedExpr, call: &CallExpr) -> bool {
    let Expr::Ident(namespace) = &target.expr else { return false };
    let qualified = (namespace.as_str(), call.func_name.as_str());
    matches!(qualified, ("strings", "quote") | ("optional", "of" | "none" | "ofNonZeroValue"))
}

/// Refuses a pattern that is written out and is none.
fn check_pattern(call: &CallExpr, is_member: bool) -> Result<(), Refused> {
    let pattern = call.args.get(usize::from(!is_member));
    let Some(IdedExpr { id, expr: Expr::Literal(LiteralValue::String(text)) }) = pattern else {
        return Ok(());
    };
    match regex_lite::Regex::new(text.inner()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refused { expression: *id, message: "invalid matches argument".to_owned() }),
    }
}

fn undeclared<T>(expression: &IdedExpr, name: &str) -> Result<T, Refused> {
    refused(expression, format!("undeclared reference to '{name}' (in container '')"))
}

fn no_overload<T>(
    expression: &IdedExpr,
    name: &str,
    is_member: bool,
    kinds: &[Kind],
) -> Result<T, Refused> {
    let list = |kinds: &[Kind]| {
        let names: Vec<String> = kinds.iter().map(Kind::to_string).collect();
        names.join(", ")
    };
    let applied = match kinds {
        [target, args @ ..] if is_member => format!("{target}.({})", list(args)),
        all => format!("({})", list(all)),
    };
    refused(expression, format!("found no matching overload for '{name}' applied to '{applied}'"))
}

fn literal_kind(literal: &LiteralValue) -> Kind {
    match literal {
        LiteralValue::Boolean(_) => Bool,
        LiteralValue::Bytes(_) => Bytes,
        LiteralValue::Double(_) => Double,
        LiteralValue::Int(_) => Int,
        LiteralValue::Null => Null,
        LiteralValue::String(_) => Text,
        LiteralValue::UInt(_) => Uint,
    }
}

/// What an operator makes of its operands: `None` when `name` is no operator, `Some(None)` when it
/// does not take such operands.
fn operator(name: &str, kinds: &[Kind]) -> Option<Option<Kind>> {
    let all_bool = || kinds.iter().all(|kind| kind.suits(&Bool));
    let result = match (name, kinds) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, _)
        | (operators::NOT_STRICTLY_FALSE, _) => all_bool().then_some(Bool),
        (operators::CONDITIONAL, [condition, yes, no]) => (condition.suits(&Bool) && yes.suits(no))
            .then(|| if *yes == Any { no.clone() } else { yes.clone() }),
        (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
            left.suits(right).then_some(Bool)
        }
        (
            operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS,
            [left, right],
        ) => {
            let ordered = |kind: &Kind| kind.is_number() || matches!(kind, Bool | Text | Bytes);
            let alike = left.suits(right) || (left.is_number() && right.is_number());
            (alike && ordered(left) && ordered(right)).then_some(Bool)
        }
        (operators::IN, [item, container]) => match container {
            Any => Some(Bool),
            List(kind) | Map(kind, _) => item.suits(kind).then_some(Bool),
            _ => None,
        },
        (operators::ADD, [left, right]) => {
            let adds = |kind: &Kind| kind.is_number() || matches!(kind, Text | Bytes | List(_));
            (left.suits(right) && adds(left) && adds(right)).then(|| known(left, right))
        }
        (operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE, [left, right]) => {
            (left.suits(right) && left.is_number() && right.is_number()).then(|| known(left, right))
        }
        (operators::MODULO, [left, right]) => {
            let whole = |kind: &Kind| matches!(kind, Any | Int | Uint);
            (left.suits(right) && whole(left) && whole(right)).then(|| known(left, right))
        }
        (operators::NEGATE, [one]) => matches!(one, Any | Int | Double).then(|| one.clone()),
        (operators::INDEX, [container, index]) => match container {
            Any => Some(Any),
            List(item) => matches!(index, Any | Int).then(|| (**item).clone()),
            Map(key, value) => index.suits(key).then(|| (**value).clone()),
            _ => None,
        },
        (operators::OPT_INDEX | operators::OPT_SELECT, _) => Some(Any),
        _ => return None,
    };
    Some(result)
}

/// The kind of two operands that suit each other.
fn known(left: &Kind, right: &Kind) -> Kind {
    if *left == Any { right.clone() } else { left.clone() }
}

/// What a function makes of its arguments.
enum Outcome {
    Gives(Kind),
    NoOverload,
    Unknown,
}

/// A function's overloads: whether it is called on its first argument, its arguments, its result.
type Overload = (&'static str, bool, &'static [Kind], Kind);

const fn member(name: &'static str, args: &'static [Kind], gives: Kind) -> Overload {
    (name, true, args, gives)
}

const fn global(name: &'static str, args: &'static [Kind], gives: Kind) -> Overload {
    (name, false, args, gives)
}

/// The functions of one shape; those that take lists or anything are in [`function`].
const OVERLOADS: &[Overload] = &[
    member("startsWith", &[Text, Text], Bool),
    member("endsWith", &[Text, Text], Bool),
    member("contains", &[Text, Text], Bool),
    member("matches", &[Text, Text], Bool),
    global("matches", &[Text, Text], Bool),
    member("find", &[Text, Text], Text),
    member("charAt", &[Text, Int], Text),
    member("indexOf", &[Text, Text], Int),
    member("indexOf", &[Text, Text, Int], Int),
    member("lastIndexOf", &[Text, Text], Int),
    member("lastIndexOf", &[Text, Text, Int], Int),
    member("lowerAscii", &[Text], Text),
    member("upperAscii", &[Text], Text),
    member("trim", &[Text], Text),
    member("replace", &[Text, Text, Text], Text),
    member("replace", &[Text, Text, Text, Int], Text),
    member("substring", &[Text, Int], Text),
    member("substring", &[Text, Int, Int], Text),
    global("quote", &[Text], Text),
    global("quantity", &[Text], Quantity),
    global("isQuantity", &[Text], Bool),
    global("sign", &[Quantity], Int),
    member("isGreaterThan", &[Quantity, Quantity], Bool),
    member("isGreaterThan", &[Semver, Semver], Bool),
    member("isLessThan", &[Quantity, Quantity], Bool),
    member("isLessThan", &[Semver, Semver], Bool),
    member("compareTo", &[Quantity, Quantity], Int),
    member("compareTo", &[Semver, Semver], Int),
    member("asApproximateFloat", &[Quantity], Double),
    member("asInteger", &[Quantity], Int),
    member("isInteger", &[Quantity], Bool),
    member("add", &[Quantity, Quantity], Quantity),
    member("add", &[Quantity, Int], Quantity),
    member("sub", &[Quantity, Quantity], Quantity),
    member("sub", &[Quantity, Int], Quantity),
    global("semver", &[Text], Semver),
    global("semver", &[Text, Bool], Semver),
    global("isSemver", &[Text], Bool),
    global("isSemver", &[Text, Bool], Bool),
    member("major", &[Semver], Int),
    member("minor", &[Semver], Int),
    member("patch", &[Semver], Int),
];

fn function(name: &str, is_member: bool, kinds: &[Kind]) -> Outcome {
    let mut found = false;
    for (_, _, args, gives) in
        OVERLOADS.iter().filter(|(one, member, _, _)| *one == name && *member == is_member)
    {
        found = true;
        let fits = args.len() == kinds.len() && kinds.iter().zip(*args).all(|(a, b)| a.suits(b));
        if fits {
            return Outcome::Gives(gives.clone());
        }
    }
    let takes = |is_right: bool, gives: Kind| {
        if is_right { Outcome::Gives(gives) } else { Outcome::NoOverload }
    };
    match (name, is_member, kinds) {
        ("size", _, [one]) => takes(matches!(one, Any | Text | Bytes | List(_) | Map(..)), Int),
        ("split", true, [one, ..]) => takes(one.suits(&Text), List(Box::new(Text))),
        ("join", true, [one, ..]) => takes(one.suits(&List(Box::new(Text))), Text),
        ("findAll", true, [one, pattern, ..]) => {
            takes(one.suits(&Text) && pattern.suits(&Text), List(Box::new(Text)))
        }
        // Optional values are of any kind here.
        ("hasValue", true, [Any]) => Outcome::Gives(Bool),
        ("value", true, [Any]) | ("or" | "orValue", true, [Any, _]) => Outcome::Gives(Any),
        ("of" | "ofNonZeroValue", false, [_]) | ("none", false, []) => Outcome::Gives(Any),
        ("string", false, [_]) => Outcome::Gives(Text),
        ("int", false, [one]) => takes(one.is_number() || *one == Text, Int),
        ("uint", false, [one]) => takes(one.is_number() || *one == Text, Uint),
        ("double", false, [one]) => takes(one.is_number() || *one == Text, Double),
        ("bool", false, [one]) => takes(matches!(one, Any | Bool | Text), Bool),
        ("bytes", false, [one]) => takes(matches!(one, Any | Bytes | Text), Bytes),
        ("dyn" | "type", false, [_]) => Outcome::Gives(Any),
        ("distinct" | "reverse" | "sort", true, [List(item)]) => Outcome::Gives(List(item.clone())),
        ("flatten" | "slice", true, [List(_), ..]) => Outcome::Gives(List(Box::new(Any))),
        _ if found => Outcome::NoOverload,
        _ => Outcome::Unknown,
    }
}
