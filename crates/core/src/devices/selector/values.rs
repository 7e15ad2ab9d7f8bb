//! A device as CEL expressions see it, and the Kubernetes types in it.
//!
//! Source: `k8s.io/dynamic-resource-allocation/cel`, `k8s.io/apiserver/pkg/cel`.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator as CelIterator, Sizer};
use cel::common::types::{CelBool, CelInt, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};

use super::DeviceKind;
use crate::devices::slice::DeviceAttribute;
use crate::devices::version::Version;
use crate::quantity::Quantity;

/// The type of `device`.
static DEVICE_TYPE: Type = Type::new_unspecified_type("kubernetes.DRADevice");
/// The type of quantities.
pub(super) static QUANTITY_TYPE: Type = Type::new_unspecified_type("kubernetes.Quantity");
/// The type of versions.
pub(super) static SEMVER_TYPE: Type = Type::new_unspecified_type("kubernetes.Semver");

/// The variable `device`.
#[derive(Clone, Debug)]
pub(super) struct DeviceValue {
    driver: CelString<'static>,
    allow_multiple_allocations: CelBool,
    attributes: Table,
    capacity: Table,
}

impl DeviceValue {
    pub(super) fn of(kind: &DeviceKind) -> DeviceValue {
        let attributes = kind.attributes.iter().map(|(name, value)| (name, attribute(value)));
        let capacity = kind.capacity.iter().map(|(name, amount)| {
            let value: Box<dyn Val> = Box::new(QuantityValue(*amount));
            (name, value)
        });
        DeviceValue {
            driver: CelString::from(kind.driver.clone()),
            allow_multiple_allocations: CelBool::from(kind.allow_multiple_allocations),
            attributes: Table::by_domain(&kind.driver, attributes),
            capacity: Table::by_domain(&kind.driver, capacity),
        }
    }
}

fn attribute(value: &DeviceAttribute) -> Box<dyn Val> {
    match value {
        DeviceAttribute::Int(number) => Box::new(CelInt::from(*number)),
        DeviceAttribute::Bool(yes) => Box::new(CelBool::from(*yes)),
        DeviceAttribute::Text(text) => Box::new(CelString::from(text.clone())),
        DeviceAttribute::Version(version) => Box::new(SemverValue(version.clone())),
    }
}

impl Indexer for DeviceValue {
    fn get<'b, 'v>(&'b self, field: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        match field.downcast_ref::<CelString<'_>>().map(CelString::inner) {
            Some("driver") => Ok(CowVal::Borrowed(&self.driver)),
            Some("allowMultipleAllocations") => {
                Ok(CowVal::Borrowed(&self.allow_multiple_allocations))
            }
            Some("attributes") => Ok(CowVal::Borrowed(&self.attributes)),
            Some("capacity") => Ok(CowVal::Borrowed(&self.capacity)),
            Some(other) => Err(ExecutionError::no_such_key(other)),
            None => Err(ExecutionError::no_such_key("device")),
        }
    }

    fn steal<'v>(self: Box<Self>, field: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(field).map(CowVal::into_owned)
    }
}

impl Val for DeviceValue {
    fn get_type(&self) -> &Type {
        &DEVICE_TYPE
    }

    fn cel_type() -> &'static Type {
        &DEVICE_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for DeviceValue {}

/// A map from texts in the order of the texts: `attributes`, `capacity`, and what they hold for a
/// domain. A look-up of a domain that is not there gives an empty map; of a name, an error.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    keys: Arc<Vec<CelString<'static>>>,
    values: Arc<Vec<Box<dyn Val>>>,
    missing: Option<Arc<Table>>,
}

impl Table {
    /// Domain → name → value; names without a domain are in `driver`'s.
    fn by_domain<'a>(
        driver: &str,
        entries: impl Iterator<Item = (&'a String, Box<dyn Val>)>,
    ) -> Table {
        let mut domains: BTreeMap<String, BTreeMap<String, Box<dyn Val>>> = BTreeMap::new();
        for (name, value) in entries {
            let (domain, id) = name.split_once('/').unwrap_or((driver, name));
            domains.entry(domain.to_owned()).or_default().insert(id.to_owned(), value);
        }
        let inner = domains.into_iter().map(|(domain, entries)| {
            let table: Box<dyn Val> = Box::new(Table::sorted(entries.into_iter()));
            (domain, table)
        });
        Table { missing: Some(Arc::default()), ..Table::sorted(inner) }
    }

    fn sorted(entries: impl Iterator<Item = (String, Box<dyn Val>)>) -> Table {
        let (keys, values) = entries.map(|(key, value)| (CelString::from(key), value)).unzip();
        Table { keys: Arc::new(keys), values: Arc::new(values), missing: None }
    }

    fn find(&self, key: &dyn Val) -> Option<&(dyn Val + 'static)> {
        let key = key.downcast_ref::<CelString<'_>>()?.inner();
        let index = self.keys.binary_search_by(|one| one.inner().cmp(key)).ok()?;
        Some(self.values[index].as_ref())
    }
}

impl Indexer for Table {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        if let Some(value) = self.find(key) {
            return Ok(CowVal::Borrowed(value));
        }
        match (&self.missing, key.downcast_ref::<CelString<'_>>()) {
            (Some(empty), Some(_)) => Ok(CowVal::Borrowed(empty.as_ref())),
            (None, Some(name)) => Err(ExecutionError::no_such_key(name.inner())),
            (_, None) => Err(ExecutionError::UnexpectedType {
                got: key.get_type().name().to_owned(),
                want: "string".to_owned(),
            }),
        }
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

impl Container for Table {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.find(key).is_some())
    }
}

impl Sizer for Table {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.keys.len()).unwrap_or(i64::MAX))
    }
}

/// Walks over the keys.
struct Keys<'b>(std::slice::Iter<'b, CelString<'static>>);

impl<'b, 'v> CelIterator<'b, 'v> for Keys<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|key| {
            let key: &'b (dyn Val + 'v) = key;
            key
        })
    }
}

impl Iterable for Table {
    fn iter<'b, 'v>(&'b self) -> Box<dyn CelIterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Keys(self.keys.iter()))
    }
}

impl Val for Table {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        let (Some(size), Some(entries)) = (other.as_sizer(), other.as_indexer()) else {
            return false;
        };
        size.size() == Sizer::size(self)
            && self.keys.iter().zip(self.values.iter()).all(|(key, value)| {
                entries.get(key).is_ok_and(|other| value.equals(other.as_ref()))
            })
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Table {}

/// A quantity.
#[derive(Clone, Debug)]
pub(super) struct QuantityValue(pub(super) Quantity);

impl Val for QuantityValue {
    fn get_type(&self) -> &Type {
        &QUANTITY_TYPE
    }

    fn cel_type() -> &'static Type {
        &QUANTITY_TYPE
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<QuantityValue>().is_some_and(|other| self.0 == other.0)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for QuantityValue {}

/// A semantic version.
#[derive(Clone, Debug)]
pub(super) struct SemverValue(pub(super) Version);

impl Val for SemverValue {
    fn get_type(&self) -> &Type {
        &SEMVER_TYPE
    }

    fn cel_type() -> &'static Type {
        &SEMVER_TYPE
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<SemverValue>().is_some_and(|other| self.0.compare(&other.0).is_eq())
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for SemverValue {}
