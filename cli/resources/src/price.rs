//! Prices of AWS, and the sum of what an app uses.

/// The price of one part of a kind: of a unit that AWS bills, in US dollars, in us-east-1 and without free tiers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// The unit that is billed: `million write request units`.
    pub unit: &'static str,
    /// The price of one unit.
    pub usd: f64,
    /// The price of one unit beyond a quantity in the month, where that is another one.
    pub beyond: Option<Beyond>,
    /// The page of AWS that the price is from.
    pub source: &'static str,
}

/// The second tier of a price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beyond {
    /// The units of the first tier.
    pub quantity: f64,
    /// The price of each further unit.
    pub usd: f64,
}

impl Price {
    /// Creates a price of one tier.
    pub const fn new(unit: &'static str, usd: f64, source: &'static str) -> Self {
        Self { unit, usd, beyond: None, source }
    }

    /// Adds a second tier.
    #[must_use]
    pub const fn beyond(self, quantity: f64, usd: f64) -> Self {
        Self { beyond: Some(Beyond { quantity, usd }), ..self }
    }

    /// Returns the price of so many units in a month.
    pub fn of(&self, quantity: f64) -> f64 {
        match self.beyond {
            Some(beyond) => {
                quantity.min(beyond.quantity) * self.usd + (quantity - beyond.quantity).max(0.0) * beyond.usd
            }
            None => quantity * self.usd,
        }
    }
}

/// The quantities that an app uses in a month, each with its price.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage(Vec<(Price, f64)>);

impl Usage {
    /// Adds a quantity of a unit.
    #[must_use]
    pub fn and(mut self, price: Price, quantity: f64) -> Self {
        match self.0.iter_mut().find(|(other, _)| *other == price) {
            Some((_, sum)) => *sum += quantity,
            None => self.0.push((price, quantity)),
        }
        self
    }

    /// Adds all quantities of another usage.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        other.0.iter().fold(self, |sum, (price, quantity)| sum.and(*price, *quantity))
    }

    /// Returns the price of all of it, in US dollars.
    pub fn usd(&self) -> f64 {
        self.0.iter().map(|(price, quantity)| price.of(*quantity)).sum()
    }

    /// The prices that it is billed at.
    pub fn prices(&self) -> impl Iterator<Item = &Price> {
        self.0.iter().map(|(price, _)| price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_tier_begins_beyond_the_first() {
        let price = Price::new("unit", 1.0, "").beyond(300.0, 0.9);
        assert!((price.of(300.0) - 300.0).abs() < 1e-9);
        assert!((price.of(400.0) - 390.0).abs() < 1e-9);
    }

    #[test]
    fn quantities_of_one_price_are_added_before_the_tiers() {
        let price = Price::new("unit", 1.0, "").beyond(10.0, 0.5);
        let usage = Usage::default().and(price, 8.0).plus(&Usage::default().and(price, 4.0));
        assert!((usage.usd() - 11.0).abs() < 1e-9);
        assert_eq!(usage.prices().count(), 1);
    }
}
