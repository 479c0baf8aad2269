// DashboardTests: the dashboard in a real browser: what it shows, what it changes, and what it says when the head is gone.

import Foundation
import MantaAdmin
import MantaJSON
import MantaLoop
import MantaModel
import Synchronization
import Testing

@Suite(.enabled(if: Browser.executable != nil, "no Chromium is installed"), .serialized, .timeLimit(.minutes(3)))
struct DashboardTests {
    @Test func theOverviewShowsTheCluster() async throws {
        try await withDashboard { browser, _, _ in
            try browser.expect("document.querySelector('#live').textContent === 'Live'")
            try browser.expect("document.querySelector('.node-card').innerText.includes('reef-01')")
            try browser.expect("document.querySelector('.tile-value').textContent === '3'")
            try browser.expect("document.querySelector('.endpoint-line').innerText.includes('90 %')")
            try browser.expect("document.querySelector('.actor-line').innerText.includes('hits')")
            try browser.expect("document.querySelector('.panel-note').textContent === 'in the newest 250 tasks'")
        }
    }

    @Test func namesAreTextWhateverTheyHold() async throws {
        try await withDashboard("#/actors") { browser, _, _ in
            try browser.expect("[...document.querySelectorAll('tbody tr')].some(row => row.innerText.includes('\(ShopCluster.hostile)'))")
            try browser.expect("document.querySelector('#view img') === null")
        }
    }

    @Test func rowsAreFilteredAndSorted() async throws {
        try await withDashboard("#/tasks") { browser, _, _ in
            // The numbers are of all tasks, the rows the newest of them.
            try browser.expect("document.querySelector('.chip[data-state=failed] b').textContent === '20,000' && document.querySelector('#count').textContent === 'newest 250 of 100,000'")
            try browser.expect("document.querySelectorAll('tbody tr').length === 200 && !document.querySelector('.more').hidden")
            try browser.expect("document.querySelector('.more').click(), document.querySelectorAll('tbody tr').length === 250")
            _ = try browser.evaluate("document.querySelector('.chip[data-state=failed]').click()")
            try browser.expect("document.querySelectorAll('tbody tr').length === 50 && document.querySelector('#count').textContent === 'newest 50 of 20,000'")
            _ = try browser.evaluate("(() => { const f = document.querySelector('#filter'); f.value = 'function:nothing'; f.dispatchEvent(new Event('input')) })()")
            try browser.expect("document.querySelector('.empty h2').textContent === 'No row matches'")
        }
    }

    @Test func anEmptyTableSaysWhatToDo() async throws {
        try await withDashboard("#/jobs") { browser, _, _ in
            try browser.expect("document.querySelector('.empty pre').textContent.includes('Manta.connect')")
        }
    }

    @Test func trafficThatSumsToOneIsApplied() async throws {
        let cluster = ShopCluster()
        try await withDashboard("#/endpoints/classify", of: cluster) { browser, _, _ in
            try browser.expect("document.querySelectorAll('.traffic-row').length === 2")
            let set = "(index, value) => { const field = document.querySelectorAll('.percent input')[index]; field.value = value; field.dispatchEvent(new Event('input')) }"
            _ = try browser.evaluate("(\(set))(0, 60)")
            try browser.expect("document.querySelector('.traffic .primary').disabled && document.querySelector('.traffic-sum').textContent.includes('30 % to give')")
            _ = try browser.evaluate("(\(set))(1, 40)")
            try browser.expect("!document.querySelector('.traffic .primary').disabled")
            _ = try browser.evaluate("document.querySelector('.traffic .primary').click()")
            try browser.expect("document.querySelector('#toasts').innerText.includes('Traffic of classify changed')")
        }
        #expect(cluster.content.withLock { $0.serve.endpoints[0].traffic } == ["v1": 0.6, "v2": 0.4])
    }

    @Test func aMethodIsCalledAndAnActorRemoved() async throws {
        let cluster = ShopCluster()
        // The call of a method that is not there is an error that the browser's console shows too.
        try await withDashboard("#/actors/\(ShopCluster.hits)", of: cluster, complaints: { $0.contains("404") }) { browser, _, _ in
            let call = "(method, text) => { document.querySelector('#call-method').value = method; document.querySelector('#call-arguments').value = text; document.querySelector('form.call').requestSubmit() }"
            try browser.expect("document.querySelector('#call-method') !== null")
            _ = try browser.evaluate("(\(call))('increment', '{\"by\": 2}')")
            try browser.expect("document.querySelector('.result').textContent.includes('\"count\": 42')")
            _ = try browser.evaluate("(\(call))('explode', '[]')")
            try browser.expect("document.querySelector('.result.bad').textContent.includes('has no method')")
            _ = try browser.evaluate("(\(call))('increment', '[2')")
            try browser.expect("document.querySelector('.result.bad').textContent.includes('no JSON')")
            _ = try browser.evaluate("document.querySelector('.inspector .danger').click()")
            try browser.expect("document.querySelector('dialog h2').textContent === 'Remove hits?'")
            _ = try browser.evaluate("document.querySelector('dialog .danger').click()")
            try browser.expect("![...document.querySelectorAll('tbody tr')].some(row => row.innerText.includes('hits'))")
        }
        #expect(cluster.content.withLock { $0.arguments } == ["by": 2])
        #expect(cluster.content.withLock { $0.removed } == [ShopCluster.hits])
    }

    @Test func aLostHeadIsSeen() async throws {
        try await withDashboard("#/nodes", complaints: { $0.contains("ERR_") }) { browser, server, loop in
            try browser.expect("document.querySelector('#live').textContent === 'Live' && document.querySelector('tbody tr') !== null")
            loop.execute { server.stop() }
            try browser.expect("document.querySelector('#live').textContent === 'Disconnected' && !document.querySelector('#banner').hidden")
            try browser.expect("document.querySelector('tbody tr').innerText.includes('reef-01') && document.documentElement.classList.contains('stale')")
        }
    }

    @Test func aTokenIsAskedForOnce() async throws {
        let token = "0123456789abcdef0123456789abcdef"
        try await withDashboard("#/nodes", token: token, complaints: { $0.contains("401") }) { browser, _, _ in
            try browser.expect("document.querySelector('dialog input[type=password]') !== null")
            _ = try browser.evaluate("(() => { document.querySelector('dialog input').value = '\(token)'; document.querySelector('dialog form').requestSubmit() })()")
            try browser.expect("document.querySelector('tbody tr').innerText.includes('reef-01')")
        }
        try await withDashboard("#token=\(token)", token: token) { browser, _, _ in
            try browser.expect("document.querySelector('.node-card') !== null && !location.href.includes('token')")
        }
    }

    @Test func keysMoveBetweenPages() async throws {
        try await withDashboard { browser, _, _ in
            try browser.expect("document.querySelector('.node-card') !== null")
            let press = "key => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))"
            _ = try browser.evaluate("(\(press))('g'), (\(press))('a')")
            try browser.expect("document.querySelector('#title').textContent === 'Actors'")
            _ = try browser.evaluate("(\(press))('/')")
            try browser.expect("document.activeElement.id === 'filter'")
            _ = try browser.evaluate("document.activeElement.blur(), (\(press))('d'), (\(press))('?')")
            try browser.expect("document.documentElement.dataset.theme === 'light' && document.querySelector('dialog h2').textContent === 'Keyboard'")
        }
    }
}
