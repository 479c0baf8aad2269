// CivilTime: a moment as people write it, `2026-03-01 12:00:00Z`, from milliseconds since 1970, without a calendar library.

extension AdminViews {
    /// In UTC, to the second.
    static func time(_ milliseconds: Int64) -> String {
        let seconds = milliseconds.quotientRounded(by: 1000)
        let days = seconds.quotientRounded(by: 86_400)
        let second = seconds - days * 86_400
        // Years that begin in March put the leap day at their end; 400 of them have 146,097 days.
        let shifted = days + 719_468
        let era = shifted.quotientRounded(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return "\(year)-\(two(month))-\(two(day)) \(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))Z"
    }

    private static func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
}

extension Int64 {
    /// The quotient rounded down, also below zero.
    fileprivate func quotientRounded(by divisor: Int64) -> Int64 { self >= 0 ? self / divisor : -((-self + divisor - 1) / divisor) }
}
