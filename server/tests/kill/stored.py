async def faults_of_store(cluster):
    return []
