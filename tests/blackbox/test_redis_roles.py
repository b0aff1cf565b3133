#!/usr/bin/python3
"""Redis servers that are replicas, nodes of a cluster or Sentinels: what cannot do a server's work is
told with what to do, at the start and whenever it becomes one."""

import os
import unittest

from harness import CHANNELS, eventually, run_cli, voice
from redis_process import Redis, free_port
from test_redis_bus import BUS
from test_redis_store import RedisCase

REPLICA = "it is a replica, which takes no writes: name its master, or promote it"


class RolesCase(RedisCase):
    def start_replica(self, master):
        replica = self.start_redis("--replicaof", "127.0.0.1", str(master.port))
        self.addCleanup(replica.remove)
        return replica

    async def in_step(self, replica):
        await eventually(lambda: b"master_link_status:up" in replica.ask("INFO replication"),
                         "a replica is in step", 10)

    def follow(self, replica, master):
        """Makes one a replica of another one."""
        self.assertEqual(replica.ask(f"REPLICAOF 127.0.0.1 {master.port}"), b"+OK\r\n")

    def promote(self, replica):
        self.assertEqual(replica.ask("REPLICAOF NO ONE"), b"+OK\r\n")

    def refused(self, redis):
        result = run_cli("serve", "--listen", "127.0.0.1:0", "--redis-store", redis.url)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        return result.stderr


class StoreRolesTest(RolesCase):
    def test_a_replica_is_no_store(self):
        master = self.start_redis()
        self.assertIn(f"{REPLICA}\n", self.refused(self.start_replica(master)))

    def test_a_node_of_a_cluster_is_no_store(self):
        node = self.start_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
        self.assertIn("it is a node of a Redis Cluster", self.refused(node))

    def test_a_sentinel_is_no_store(self):
        master = self.start_redis()
        config = os.path.join(master.directory, "sentinel.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"sentinel monitor main 127.0.0.1 {master.port} 1\n")
        sentinel = Sentinel(config)
        self.addCleanup(sentinel.remove)
        self.assertIn("it is a Sentinel: name a Redis server itself", self.refused(sentinel))

    async def test_what_a_replica_has_can_be_moved(self):
        master = self.start_redis()
        self.serve(master).add_user("alice")
        replica = self.start_replica(master)
        await self.in_step(replica)
        moved = run_cli("migrate", "--from", replica.url, "--to",
                        f"sqlite:{os.path.join(master.directory, 'copy.db')}", timeout=30)
        self.assertEqual(moved.returncode, 0, moved.stderr)
        empty = self.start_replica(self.start_redis())
        await self.in_step(empty)
        refused = run_cli("migrate", "--from", master.url, "--to", empty.url, timeout=30)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(f"{empty.url}: {REPLICA}\n", refused.stderr)

    async def test_a_master_that_becomes_a_replica_is_away_until_it_is_one_again(self):
        master, bus = self.start_redis(), self.start_redis(*BUS)
        server = self.serve(master, "--redis-bus", bus.url)
        alice = server.add_user("alice")
        self.assertEqual(await self.status_of_create(alice, server), 201)
        speaker, listener = await self.members("room", 2, alice, server)
        replica = self.start_replica(master)
        await self.in_step(replica)
        self.promote(replica)
        self.follow(master, replica)
        await self.in_step(master)
        for _ in range(3):
            self.assertEqual(await self.status_of_create(alice, server), 503)
        self.assertIn(f"the store at {master.url} is away: {REPLICA}\n", server.log())
        await eventually(lambda: f"store {master.url}: {REPLICA}\n" in server.log(),
                         "there are no leases either", 4)
        self.assertEqual(server.log().count(REPLICA), 2, "said once, by each who needs it")
        await speaker.send("goes on")
        self.assertEqual(await self.next(listener), "goes on")

        self.promote(master)
        async def works():
            return await self.status_of_create(alice, server) == 201
        await eventually(works, "creates work", 2)
        await eventually(lambda: f"store {master.url}: leases are kept\n" in
                         server.log().partition(REPLICA)[2], "leases are kept", 4)
        channels = (await self.rest("GET", CHANNELS, alice, server=server)).json
        self.assertEqual([each["id"] for each in channels], [1, 2], "those that got 503 are not there")


class BusRolesTest(RolesCase):
    async def check(self, bus, warning):
        """It says so, and the bus works."""
        store = self.start_redis()
        one, other = (self.serve(store, "--redis-bus", bus.url) for _ in range(2))
        alice = one.add_user("alice")
        for server in (one, other):
            await eventually(lambda: f"bus {bus.url}: in use" in server.log(), "the bus", 5)
            self.assertIn(f"bus {bus.url}: {warning}", server.log())
        speaker = await self.connect(voice("room"), alice, one)
        listener = await self.connect(voice("room"), alice, other)
        await speaker.send("x")
        self.assertEqual(await self.next(listener), "x")
        return one

    async def test_a_replica_works_with_a_warning_also_when_it_comes_back(self):
        replica = self.start_replica(self.start_redis(*BUS))
        server = await self.check(replica, "it is a replica, whose master gives it all")
        replica.kill()
        replica.start()
        await eventually(lambda: server.log().count("it is a replica, whose master") == 2,
                         "the warning again", 5)

    async def test_a_node_of_a_cluster_works_with_a_warning(self):
        node = self.start_redis(*BUS, "--cluster-enabled", "yes", "--cluster-port",
                                str(free_port()))
        await self.check(node, "it is a node of a Redis Cluster")

    async def test_a_server_without_a_fault_is_no_warning(self):
        bus = self.start_redis(*BUS)
        server = await self.check(bus, "in use")
        self.assertNotIn("it is a", server.log())


class Sentinel(Redis):
    def __init__(self, config):
        self._config = config
        super().__init__()

    def command(self):
        return ["redis-server", self._config, "--sentinel", "--port", str(self.port), "--bind",
                "127.0.0.1", "--dir", self.directory]


if __name__ == "__main__":
    unittest.main()
