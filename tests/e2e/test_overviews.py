"""An instance as a whole, asked of the running service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odu_cli.rest import path
from tests.packages import make_package, unique

if TYPE_CHECKING:
    from tests.product import Product


async def test_a_deployment_is_seen_from_every_side(product: Product) -> None:
    model, group = unique("model"), unique("group")
    package = make_package(model)
    cursor = (await product.rest.get("changes"))["cursor"]
    await product.publish(package)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        deployment = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, deployment, succeeded=1)
    rest = product.rest
    name = "/".join(package.update_id.values())

    filtered = path("management", "deployments", filter=f"groupId eq '{group}'")
    (overview,) = [item async for item in rest.items(filtered)]
    assert overview["counts"]["succeeded"] == 1
    assert overview["course"] == "Finished"
    assert overview["deployment"]["deploymentId"] == deployment
    waiting = await rest.deploy(group, package.update_id, rollout={"approval": "Required"})
    listed = {item["deployment"]["deploymentId"]: item async for item in rest.items(filtered)}
    assert listed[waiting]["deployment"]["rollout"]["state"]["status"] == "AwaitingApproval"
    await rest.request("DELETE", path("management", "groups", group, "deployments", waiting))

    installed = await rest.get(path("management", "installedUpdates", groupId=group))
    assert [item["deviceCount"] for item in installed["value"]] == [1]
    assert installed["value"][0]["isBestForClass"]
    usage = await rest.get(f"{package.path}/usage")
    assert usage["deviceCount"] == 1
    assert usage["deployments"] == [{"groupId": group, "deploymentId": deployment}]

    place = f"management/groups/{group}/deployments/{deployment}"

    async def moved() -> list[Any]:
        points: list[Any] = (await rest.get(f"{place}/progress"))["value"]
        assert points
        assert points[-1]["succeeded"] == 1
        return points

    await product.eventually(moved)
    changes = await rest.get(path("changes", since=cursor))
    told = {(item["kind"], item["id"]) for item in changes["changed"]}
    assert {("group", group), ("deployment", f"{group}/{deployment}"), ("update", name)} <= told
    assert changes["cursor"] > cursor

    hits = await rest.get(path("search", q=f"{model}-0"))
    assert ("device", f"{model}-0") in {(hit["kind"], hit["id"]) for hit in hits["value"]}
    assert "value" in await rest.get("management/attention")
    history = await rest.get("management/updateCompliance/history")
    assert set(history) <= {"value", "marks"}
